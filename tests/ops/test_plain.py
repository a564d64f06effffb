"""The primitives on the CPU's cores against the plain formulas, in one block and in many."""

import numpy as np
import pytest

from tinygan.ops import rectifier, standardise, sums, unit_norm
from tinygan.streams import stream

# The second is cut into several blocks and shared by the threads.
every_shape = pytest.mark.parametrize("shape", [(2, 5, 3, 7), (5, 300, 200, 3), (1, 3)], ids=str)
every_type = pytest.mark.parametrize("dtype", [np.float32, np.float64])
TOLERANCE = {np.float32: 1e-4, np.float64: 1e-12}  # of sums of 300,000 values in another order


def random(shape, purpose, dtype):
    return stream(0, purpose).standard_normal(shape).astype(dtype)


def assert_close(actual, expected):
    assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
    limit = TOLERANCE[expected.dtype.type] * np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, rtol=0, atol=limit)


@every_type
@every_shape
def test_rectifier(shape, dtype):
    x, dy = random(shape, "x", dtype), random(shape, "dy", dtype)
    slope, shift = random(shape[-1], "slope", dtype), random(shape[-1], "shift", dtype)
    x.reshape(-1, shape[-1])[0] = shift  # at the bend itself
    for bend in ((slope, shift), (0.25, shift), (slope, 0.0)):
        assert_close(rectifier.rectify(x, *bend), rectifier.rectify_plain(x, *bend))
        for need in ((True, True, True), (True, False, False), (False, True, True)):
            ours = rectifier.rectify_backward(x, dy, *bend, need)
            for actual, expected in zip(ours, rectifier.rectify_backward_plain(x, dy, *bend, need), strict=True):
                assert (actual is None) == (expected is None)
                if expected is not None:
                    assert_close(actual, expected)


@every_type
@every_shape
def test_batch_norm_and_sums(shape, dtype):
    x, dy = random(shape, "x", dtype), random(shape, "dy", dtype)
    one, two, three = (random(shape[-1], purpose, dtype) for purpose in ("one", "two", "three"))
    assert_close(sums.sum_over_rows(x), sums.sum_over_rows_plain(x))
    mean, var = standardise.moments_plain(x)
    for actual, expected in zip(standardise.moments(x), (mean, var), strict=True):
        assert_close(actual, expected + 0)
    for name, arguments in (
        ("standardise", (x, mean, one, two, three)),
        ("standardise_sums", (x, dy, mean, one)),
        ("standardise_backward", (x, dy, mean, one, two, three)),
    ):
        ours, plain = getattr(standardise, name)(*arguments), getattr(standardise, f"{name}_plain")(*arguments)
        for actual, expected in zip(ours, plain, strict=True):
            assert_close(actual, expected)


@every_type
@pytest.mark.parametrize(("shape", "axis"), [((4, 4, 3, 5), 3), ((4, 4, 3, 5), 2), ((700, 1000), 1), ((4, 4, 9, 1), 3)])
def test_unit_norm(shape, axis, dtype):
    w, dv = random(shape, "w", dtype), random(shape, "dv", dtype)
    (v, project), (v_plain, project_plain) = (
        form(w, axis, 0.25, 1e-2) for form in (unit_norm.normalise, unit_norm.normalise_plain)
    )
    assert_close(v, v_plain)
    assert_close(project(dv), project_plain(dv))
