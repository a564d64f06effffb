"""Branches that are added: values by definition, the start as the shortcut, and what the first steps move."""

import numpy as np

from tests.layers.cases import both_halve, conv_and_identity, prepare, smooth_input, upstream
from tinygan.device import open_backend
from tinygan.layers import Addition, WeightNormalisedAddition, initialise
from tinygan.rng import rng_for


def test_value_is_the_weighted_sum():
    layer = WeightNormalisedAddition(*both_halve(), 3)
    prepare(layer)
    x = smooth_input((2, 4, 6, 2))
    r, s = layer.residual(x)[0], layer.shortcut(x)[0]
    w1, w2 = layer.w
    # Three roundings of numbers below 10, in another order.
    np.testing.assert_allclose(layer(x)[0], (w1 * r + w2 * s) / np.sqrt(w1**2 + w2**2), rtol=0, atol=1e-14)
    plain = Addition(layer.residual, layer.shortcut)
    np.testing.assert_array_equal(plain(x)[0], r + s)


def test_only_the_ratio_of_the_weights_counts():
    layer = WeightNormalisedAddition(*conv_and_identity(), 3)
    parameters = prepare(layer)
    x = smooth_input((2, 5, 3, 3))
    before = layer(x)[0]
    layer.w[:] *= [2.0, 0.5, 3.0]  # one factor per channel
    np.testing.assert_allclose(layer(x)[0], before, rtol=0, atol=1e-14)  # as above
    # So the gradient is orthogonal to the weights of each channel.
    grads = parameters.zeros_like()
    y, backward = layer(x)
    backward(upstream(y), grads)
    assert np.abs(grads["w"]).min() > 1e-3
    np.testing.assert_allclose((layer.w * grads["w"]).sum(axis=0), 0, atol=1e-12)


def test_it_starts_as_the_shortcut_exactly():
    for precision in ("float32", "float64"):
        layer = WeightNormalisedAddition(*conv_and_identity(), 3)
        parameters, _ = initialise(layer, rng_for(0, "init"), open_backend("cpu", precision))
        np.testing.assert_array_equal(parameters["w"], [[0, 0, 0], [1, 1, 1]])
        x = smooth_input((2, 5, 3, 3)).astype(precision)
        y, backward = layer(x)
        np.testing.assert_array_equal(y, x)
        dy, grads = upstream(y), parameters.zeros_like()
        np.testing.assert_array_equal(backward(dy, grads), dy)
        # At the first step only w₁ learns.
        np.testing.assert_array_equal(grads["residual.conv.w"], 0)
        np.testing.assert_array_equal(grads["residual.conv.b"], 0)
        np.testing.assert_array_equal(grads["w"][1], 0)
        assert np.abs(grads["w"][0]).min() > 0.1


def test_weights_of_zero_give_zero_and_stay_finite():
    layer = WeightNormalisedAddition(*conv_and_identity(), 3)
    parameters = prepare(layer, "float32")
    layer.w[:] = 0
    y, backward = layer(smooth_input((2, 5, 3, 3)).astype(np.float32))
    grads = parameters.zeros_like()
    dx = backward(upstream(y), grads)
    np.testing.assert_array_equal(y, 0)
    assert np.isfinite(dx).all()
    assert np.isfinite(grads.flat).all()
