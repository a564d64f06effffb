"""Every layer against finite differences, and what a training loop relies on besides."""

import numpy as np

from tests.layers.cases import Case, every_layer, outputs, prepare, smooth_input, upstream
from tinygan.gradcheck import check_gradients
from tinygan.layers import Sequential


@every_layer
def test_gradients_equal_finite_differences(case: Case):
    check_gradients(case.build(), smooth_input(case.shape))


@every_layer
def test_non_contiguous_arrays_give_the_same(case: Case):
    layer = case.build()
    parameters = prepare(layer)
    x = smooth_input(case.shape)
    expected = outputs(layer, parameters, x, case.training)
    dy = upstream(expected["y"])
    for reorder in (np.asfortranarray, lambda a: np.repeat(a, 2, axis=-1)[..., ::2], lambda a: a[::-1].copy()[::-1]):
        grads = parameters.zeros_like()
        y, backward = layer(reorder(x), case.training)
        dx = backward(reorder(dy), grads)
        for name, actual in {"y": y, "dx": dx, **grads}.items():
            # Another memory order is another order of summation: a few roundings of 1e-16, on sums of up to 100.
            scale = np.abs(expected[name]).max()
            np.testing.assert_allclose(actual, expected[name], rtol=0, atol=1e-13 * scale, err_msg=name)


@every_layer
def test_float32_stays_float32(case: Case):
    layer = case.build()
    prepare(layer, "float32")
    y, backward = layer(smooth_input(case.shape).astype(np.float32), case.training)
    added = []

    class Watched(np.ndarray):
        """Notes the type of what is added to it, which a float32 vector of gradients would hide."""

        def __iadd__(self, other):
            added.append(np.asarray(other).dtype)
            return super().__iadd__(other)

    grads = {
        inner.path(name): np.zeros_like(getattr(inner, name)).view(Watched)
        for inner in layer.walk()
        for name in inner.parameter_specs
    }
    dx = backward(upstream(y), grads)
    assert {y.dtype, dx.dtype, *added} == {np.dtype(np.float32)}
    assert bool(added) == bool(grads)


@every_layer
def test_float32_agrees_with_float64(case: Case):
    results = {}
    for precision in ("float32", "float64"):
        layer = case.build()
        parameters = prepare(layer, precision)
        results[precision] = outputs(layer, parameters, smooth_input(case.shape).astype(precision), case.training)
    for name, expected in results["float64"].items():
        # float32 rounds at 6e-8; sums of up to 100 terms that may cancel tenfold leave 1e-5 of the largest element.
        scale = np.abs(expected).max()
        np.testing.assert_allclose(results["float32"][name], expected, rtol=0, atol=1e-5 * scale, err_msg=name)


@every_layer
def test_two_passes_in_flight(case: Case):
    layer = case.build()
    parameters = prepare(layer)
    inputs = [smooth_input(case.shape, seed) for seed in (1, 2)]
    expected = [outputs(layer, parameters, x, case.training) for x in inputs]

    passes = [layer(x, case.training) for x in inputs]
    for (y, backward), alone in zip(passes, expected, strict=True):
        grads = parameters.zeros_like()
        dx = backward(upstream(y), grads)
        for name, actual in {"y": y, "dx": dx, **grads}.items():
            np.testing.assert_array_equal(actual, alone[name], err_msg=name)


def test_an_empty_sequence_obeys_need_dx():
    y, backward = Sequential({})(np.ones((2, 3)))
    assert backward(y, need_dx=False) is None
    np.testing.assert_array_equal(backward(2 * y), 2 * y)
