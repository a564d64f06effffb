"""Passes in blocks on the CPU's cores against the formulas of the reference."""

import numpy as np
import pytest

from tinygan.ops import cpu, reference
from tinygan.ops.cpu import blocks
from tinygan.optim import RMSProp
from tinygan.parameters import Parameters
from tinygan.rng import rng_for
from tinygan.runtime.threads import thread_count, use_all_cores

SHAPES = [(1, 1), (7, 3), (5, 4, 6, 3), (2, 3, 130)]


@pytest.fixture(params=[1, 2], autouse=True)
def small_blocks_on_threads(request, monkeypatch):
    """Blocks so small that every array has many, the last one cut short, on one thread and on two."""
    for name, value in {"BLOCK": 16, "SHARED_BLOCK": 16, "SINGLE_THREAD": 0, "ROW": 8}.items():
        monkeypatch.setattr(blocks, name, value)
    before = thread_count()
    use_all_cores(request.param)
    yield
    use_all_cores(before)


def random(*shape: int, purpose: str = "x") -> np.ndarray:
    return rng_for(0, purpose).standard_normal(shape)


def assert_same(actual, expected):
    """The same up to the order of sums."""
    if actual is None or expected is None:
        assert actual is expected
        return
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-13 * max(1.0, np.abs(expected).max()))


def test_rows_are_as_long_as_there_is_room_for(monkeypatch):
    monkeypatch.setattr(blocks, "ROW", 60)
    x = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    assert blocks.as_rows(x).shape == (2, 60)
    assert blocks.as_rows(x[:, :, ::2]).shape == (1, 60)
    assert blocks.as_rows(x[:1, :1, :3]).shape == (1, 15)
    assert blocks.as_rows(np.zeros((7, 50))).shape == (7, 50)
    assert blocks.as_rows(np.zeros((7, 70))).shape == (7, 70)  # channels are not cut
    np.testing.assert_array_equal(blocks.as_rows(x).ravel(), x.ravel())


def test_blocks_are_small_where_one_thread_works(monkeypatch):
    for name, value in {"BLOCK": 8, "SHARED_BLOCK": 32, "SINGLE_THREAD": 64}.items():
        monkeypatch.setattr(blocks, name, value)
    shared = 32 if thread_count() > 1 else 8
    for rows, height in (63, 8), (64, shared):
        sizes = []
        blocks.for_each_block(rows, 1, lambda _, block, sizes=sizes: sizes.append(block.stop - block.start))
        assert sum(sizes) == rows
        assert max(sizes) == height
        assert blocks.block_count(rows, 1) == len(sizes)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("slope", ["number", "channels"])
@pytest.mark.parametrize("shift", ["number", "channels"])
def test_rectifier(shape, slope, shift):
    C = shape[-1]
    x, dy = random(*shape), random(*shape, purpose="dy")
    slope = 0.2 if slope == "number" else rng_for(0, "slope").random(C)
    shift = 0.0 if shift == "number" else random(C, purpose="shift")
    x.flat[0] = shift if np.ndim(shift) == 0 else shift[0]  # one value right at the bend: above it
    assert_same(cpu.rectify(x, slope, shift), reference.rectify(x, slope, shift))
    for need_dx, *needs in ((True, True, True), (True, False, False), (False, True, False), (False, False, True)):
        gradients = []
        for one in (cpu, reference):
            totals = [np.ones(C) if need else None for need in needs]
            gradients.append((one.rectify_backward(x, dy, slope, shift, need_dx, tuple(totals)), *totals))
        for one, other in zip(*gradients, strict=True):
            assert_same(one, other)
        assert (gradients[0][0] is not None) == need_dx


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rectifier_at_the_edges_of_floating_point(dtype):
    big = np.finfo(dtype).max
    x = np.array([[np.nan, np.inf, big, -big, 0.0, -0.0, 1e-40, -1e-40]], dtype)
    y = cpu.rectify(x, np.full(8, 0.25, dtype), np.zeros(8, dtype))
    np.testing.assert_allclose(y, np.where(x < 0, dtype(0.25) * x, x), rtol=np.finfo(dtype).eps)
    assert y.dtype == dtype


@pytest.mark.parametrize("shape", SHAPES)
def test_sums(shape):
    x, total = random(*shape), np.ones(shape[-1])
    assert_same(cpu.channel_sum(x), reference.channel_sum(x))
    assert cpu.channel_sum(x, total) is total
    np.testing.assert_array_equal(total, 1 + cpu.channel_sum(x))


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_passes(shape):
    C = shape[-1]
    host = [random(*shape) + 3, random(*shape, purpose="dy")]
    host += [random(C, purpose=name) for name in ("mean", "r", "scale", "shift")]
    x, dy, mean, r, scale, shift = host
    for ours, plain in zip(cpu.batch_statistics(x), reference.batch_statistics(x), strict=True):
        assert_same(ours, plain)
    assert_same(cpu.batch_norm(x, mean, r, scale, shift), reference.batch_norm(x, mean, r, scale, shift))
    totals = [[np.ones(C), np.full(C, 2.0)] for _ in "ab"]
    sums = [one.batch_norm_sums(x, dy, mean, r, total) for one, total in zip((cpu, reference), totals, strict=True)]
    for ours, plain, total, its_sum, start in zip(*sums, totals[0], sums[0], (1, 2), strict=True):
        assert_same(ours, plain)
        np.testing.assert_array_equal(total, start + its_sum)
    backward = (one.batch_norm_backward(x, dy, mean, r, scale, *sums[0], M=7) for one in (cpu, reference))
    assert_same(*backward)


@pytest.mark.parametrize(("shape", "axis"), [((5, 3), 1), ((4, 4, 3, 6), 3), ((4, 4, 3, 6), 2), ((1, 1, 1, 1), 2)])
def test_weight_norm(shape, axis):
    w, dv = random(*shape), random(*shape, purpose="dv")
    ours, plain = (one.weight_norm(w, axis, 0.25, 1e-6) for one in (cpu, reference))
    assert_same(ours[0], plain[0])
    totals = [np.ones_like(w) for _ in (ours, plain)]
    for (_, add_gradient), total in zip((ours, plain), totals, strict=True):
        add_gradient(dv, total)
    assert_same(*totals)
    axes = tuple(other for other in range(w.ndim) if other != axis)
    assert_same(cpu.channel_dot(w, dv, axis), (w * dv).sum(axis=axes))


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_batch_statistics_far_from_zero(offset):
    """In float32: mean and deviations of each block are its own, and are put together without cancellation."""
    x = random(40, 30, 5) + offset * np.arange(5)
    mean, var = cpu.batch_statistics(x.astype(np.float32))
    exact = x.astype(np.float32).astype(np.float64).reshape(-1, 5)
    np.testing.assert_allclose(mean, exact.mean(axis=0), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(var, exact.var(axis=0), rtol=1e-4)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 5, 700), (700, 5, 3), (65, 64, 65)])
def test_products(sizes):
    M, K, N = sizes
    a, b = random(M, K), random(K, N, purpose="b")
    np.testing.assert_allclose(cpu.matmul(a, b), a @ b, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(cpu.matmul(b.T, a.T), b.T @ a.T, rtol=1e-12, atol=1e-12)  # transposed views
    total = np.ones((M, N))
    assert cpu.matmul(a, b, total) is total
    np.testing.assert_allclose(total, 1 + a @ b, rtol=1e-12, atol=1e-12)


def test_rmsprop():
    from tinygan.device import open_backend

    parameters = Parameters({"w": (7, 11)}, open_backend("cpu", "float64"))
    grads, optimiser = parameters.zeros_like(), RMSProp(parameters)
    w, average = random(77), np.zeros(77)
    parameters.flat[:] = w
    for step in range(3):
        grads.flat[:] = g = random(77, purpose=f"g{step}")
        optimiser.update(parameters, grads, 0.01)
        average = 0.9 * average + (1 - 0.9) * g * g
        w = w - 0.01 * g / (np.sqrt(average) + 1e-6)
        np.testing.assert_allclose(parameters.flat, w, rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(grads.flat, 0)
