"""Weight norm: the formulas of the paper, and the mistakes that hid in its first code (notes B1, B3)."""

import numpy as np
import pytest

from tests.layers.cases import outputs, prepare, smooth_input, upstream
from tinygan.layers import Conv2d, ConvTranspose2d, Linear, WeightNorm, initialise
from tinygan.rng import rng_for

# inner layer, input shape, k of the norm by definition
INNER = {
    "linear": (lambda: Linear(5, 4), (3, 5), 1.0),
    "conv": (lambda: Conv2d(3, 4, 4, stride=2, pad=(1, 2)), (2, 5, 7, 3), 1.0),
    "up": (lambda: ConvTranspose2d(3, 4, 4, stride=(2, 3), pad=1), (2, 3, 5, 3), 1 / 6),
}
every_inner = pytest.mark.parametrize(("build", "shape", "k"), INNER.values(), ids=INNER.keys())
both_forms = pytest.mark.parametrize("affine", [False, True], ids=["strict", "affine"])


def norms(layer: WeightNorm, k: float) -> np.ndarray:
    """n of every output channel, from the definition n² = k·Σw² + ε, one channel at a time."""
    channels = np.moveaxis(layer.w, layer.inner.output_axis, 0)
    return np.array([np.sqrt(k * np.sum(w**2) + layer.epsilon) for w in channels])


def per_channel(layer: WeightNorm, array: np.ndarray) -> np.ndarray:
    """Sum of a weight-shaped array over everything but its output channel."""
    return np.moveaxis(array, layer.inner.output_axis, 0).reshape(layer.inner.out_channels, -1).sum(axis=1)


@every_inner
@both_forms
def test_output_is_the_formula(build, shape, k, affine):
    layer = WeightNorm(build(), affine, epsilon=0.5)
    parameters = prepare(layer)
    x = smooth_input(shape)
    expected = layer.inner.apply_weight(x, parameters["w"])[0] / norms(layer, k)
    if affine:
        expected = parameters["scale"] * expected + parameters["bias"]
    # Dividing the weight or the output differs by roundings only; sums of up to 48 terms.
    np.testing.assert_allclose(layer(x)[0], expected, rtol=0, atol=1e-13 * np.abs(expected).max())


@every_inner
@pytest.mark.parametrize("epsilon", [0.0, 1e-6, 2.0])
@both_forms
def test_gradient_is_orthogonal_to_the_weight_up_to_epsilon(build, shape, k, epsilon, affine):
    """Σ w·dw = (ε/n²)·Σ dv·v per output channel, v = w/n."""
    layer = WeightNorm(build(), affine, epsilon)
    parameters = prepare(layer)
    grads = parameters.zeros_like()
    x = smooth_input(shape)
    y, backward = layer(x)
    dy = upstream(y)
    backward(dy, grads)

    gamma = parameters["scale"] if affine else 1.0
    n = norms(layer, k)
    plain = layer.inner.apply_weight(x, parameters["w"])[1](dy, False, True)[1]  # Σ plain·w = n/γ · Σ dv·v
    dv_v = gamma * per_channel(layer, plain * parameters["w"]) / n
    actual = per_channel(layer, parameters["w"] * grads["w"])
    # Rounding of a sum of 48 products, relative to what the projection removed.
    np.testing.assert_allclose(actual, epsilon / n**2 * dv_v, rtol=0, atol=1e-13 * np.abs(dv_v).max())
    assert np.abs(grads["w"]).max() > 0.1  # orthogonal, but not by being zero


@every_inner
def test_strict_output_ignores_the_weights_length(build, shape, k):
    layer = WeightNorm(build(), epsilon=0.0)
    parameters = prepare(layer)
    x = smooth_input(shape)
    y = layer(x)[0]
    for factor in (37.0, -0.01):
        before = parameters.flat.copy()
        parameters.flat[:] *= factor
        # A handful of roundings of 1e-16 each.
        np.testing.assert_allclose(layer(x)[0], np.sign(factor) * y, rtol=0, atol=1e-13 * np.abs(y).max())
        parameters.flat[:] = before


@every_inner
def test_affine_gradients_of_scale_and_bias(build, shape, k):
    """dγ = Σ dy·(y − β)/γ and dβ = Σ dy: the gradients that aliasing spoilt by γ/n (notes B3)."""
    layer = WeightNorm(build(), affine=True)
    parameters = prepare(layer)
    parameters["scale"][...] = [2.5, -0.4, 1.7, -3.0]
    parameters["bias"][...] = [0.6, -1.1, 0.3, 2.0]
    result = outputs(layer, parameters, smooth_input(shape), training=True)
    dy = upstream(result["y"]).reshape(-1, 4)
    unscaled = (result["y"].reshape(-1, 4) - parameters["bias"]) / parameters["scale"]
    for name, expected in {"scale": (dy * unscaled).sum(axis=0), "bias": dy.sum(axis=0)}.items():
        # Sums of at most 264 rounded products.
        np.testing.assert_allclose(result[name], expected, rtol=0, atol=1e-12 * np.abs(expected).max(), err_msg=name)


@every_inner
@both_forms
def test_gradients_are_sums_over_the_batch_not_means(build, shape, k, affine):
    """A batch twice over has twice the gradient of every parameter, projection included (notes B1)."""
    layer = WeightNorm(build(), affine)
    parameters = prepare(layer)
    x = smooth_input(shape)
    once, twice = parameters.zeros_like(), parameters.zeros_like()
    y, backward = layer(x)
    dy = upstream(y)
    backward(dy, once)
    layer(np.concatenate([x, x]))[1](np.concatenate([dy, dy]), twice)
    # The same products in another order of summation.
    np.testing.assert_allclose(twice.flat, 2 * once.flat, rtol=0, atol=1e-13 * np.abs(once.flat).max())


def test_inner_bias_is_not_a_parameter():
    strict, affine = (WeightNorm(Linear(5, 3, bias=True), affine) for affine in (False, True))
    assert set(prepare(strict)) == {"w"}
    assert set(prepare(affine)) == {"w", "scale", "bias"}


def test_numpys_numbers_are_numbers():
    """A kernel of np.int64 and an ε of np.float64 make the same layer, in the network's precision."""
    layer = WeightNorm(Conv2d(3, 4, np.int64(3), stride=np.int64(2), pad=[1, 1]), epsilon=np.float64(1e-16))
    assert repr(layer.inner) == repr(Conv2d(3, 4, 3, stride=2, pad=1))
    initialise(layer, rng_for(0, "numbers"))
    assert layer(np.ones((2, 8, 8, 3), np.float32))[0].dtype == np.float32
