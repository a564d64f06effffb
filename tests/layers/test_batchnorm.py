"""Batch norm: statistics, modes, and the one state that a forward pass touches."""

import numpy as np
import pytest

from tests.layers.cases import outputs, prepare, smooth_input, tracked_batch_norm, upstream
from tinygan.device import open_backend
from tinygan.layers import BatchNorm, initialise
from tinygan.rng import rng_for

shapes = pytest.mark.parametrize("shape", [(5, 3), (2, 5, 3, 3), (1, 3, 5, 3)], ids=["rows", "images", "one-image"])


@shapes
def test_training_output_has_mean_shift_and_standard_deviation_scale(shape):
    layer = BatchNorm(3)
    prepare(layer)
    y = layer(40 * smooth_input(shape) + 7, training=True)[0].reshape(-1, 3)
    # ε = 1e-5 against a variance near 1600 shrinks the output by 3e-9 of its size.
    np.testing.assert_allclose(y.mean(axis=0), layer.shift, rtol=0, atol=1e-8)
    np.testing.assert_allclose(y.std(axis=0), np.abs(layer.scale), rtol=1e-7)


def test_epsilon_is_inside_the_root():
    layer = BatchNorm(1)
    prepare(layer)
    x = 1e-3 * smooth_input((6, 1))  # variance near 1e-6: ε = 1e-5 dominates
    expected = layer.scale * (x - x.mean()) / np.sqrt(x.var() + 1e-5) + layer.shift
    np.testing.assert_allclose(layer(x, training=True)[0], expected, rtol=1e-12)  # six roundings of 1e-16


@shapes
def test_running_statistics_follow_the_unbiased_ones(shape):
    layer = tracked_batch_norm(3)
    prepare(layer)
    mean, var = layer.running_mean.copy(), layer.running_var.copy()
    for seed in range(3):
        x = 3 * smooth_input(shape, seed) + seed
        rows = x.reshape(-1, 3)
        layer(x, training=True)
        mean = 0.9 * mean + 0.1 * rows.mean(axis=0)
        var = 0.9 * var + 0.1 * rows.var(axis=0, ddof=1)
    np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-13)  # a few roundings of 1e-16 per pass
    np.testing.assert_allclose(layer.running_var, var, rtol=1e-13)


def test_running_statistics_are_updated_in_their_own_memory():
    layer = BatchNorm(3)
    _, buffers = initialise(layer, rng_for(0, "init"), open_backend("cpu", "float64"))
    x = smooth_input((5, 3))
    layer(x, training=True)
    np.testing.assert_allclose(buffers["running_mean"], 0.1 * x.mean(axis=0), rtol=1e-13)  # as above


@shapes
def test_evaluation_uses_the_running_statistics_and_leaves_them_alone(shape):
    layer = tracked_batch_norm(3)
    parameters = prepare(layer)
    mean, var = layer.running_mean.copy(), layer.running_var.copy()
    x = smooth_input(shape)
    result = outputs(layer, parameters, x, training=False)
    np.testing.assert_array_equal(layer.running_mean, mean)
    np.testing.assert_array_equal(layer.running_var, var)
    slope = layer.scale / np.sqrt(var + 1e-5)
    # Subtracting the mean first or last: roundings of numbers below 10.
    np.testing.assert_allclose(result["y"], slope * x + (layer.shift - slope * mean), rtol=0, atol=1e-14 * 10)
    np.testing.assert_allclose(result["dx"], upstream(x) * slope, rtol=1e-13)


def test_evaluation_output_does_not_depend_on_the_batch():
    layer = tracked_batch_norm(3)
    prepare(layer)
    x = smooth_input((4, 5, 3, 3))
    together = layer(x)[0]
    for i in range(4):
        np.testing.assert_array_equal(layer(x[i : i + 1])[0], together[i : i + 1])


def test_training_output_does_depend_on_the_batch():
    layer = BatchNorm(3)
    prepare(layer)
    x = smooth_input((4, 5, 3, 3))
    assert np.abs(layer(x, training=True)[0][:2] - layer(x[:2], training=True)[0]).max() > 0.01


@pytest.mark.parametrize("shape", [(1, 3), (1, 1, 1, 3)], ids=["row", "image"])
def test_one_value_per_channel_is_refused_in_training_only(shape):
    layer = tracked_batch_norm(3)
    prepare(layer)
    before = layer.running_mean.copy()
    with pytest.raises(ValueError, match="more than one value"):
        layer(smooth_input(shape), training=True)
    np.testing.assert_array_equal(layer.running_mean, before)
    assert layer(smooth_input(shape), training=False)[0].shape == shape


@shapes
def test_input_gradient_has_no_component_along_one_and_along_the_output(shape):
    """Shifting or stretching a channel of the batch changes nothing, so the gradient is orthogonal to both."""
    layer = BatchNorm(3)
    parameters = prepare(layer)
    x = 100 * smooth_input(shape)  # variance far above ε, which alone breaks the second invariance
    dx = outputs(layer, parameters, x, training=True)["dx"].reshape(-1, 3)
    rows = x.reshape(-1, 3)
    scale = np.abs(dx).sum(axis=0)
    # Rounding for the first; for the second ε/var = 1e-9.
    assert np.abs(dx.sum(axis=0) / scale).max() < 1e-13
    assert np.abs((dx * (rows - rows.mean(axis=0))).sum(axis=0) / (scale * rows.std(axis=0))).max() < 1e-7


@shapes
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_mean_far_above_the_deviation_does_not_cancel_the_variance(shape, precision):
    """E[x²] − mean² would lose all digits: x² is near mean², its roundings are larger than the variance."""
    layer = BatchNorm(3)
    prepare(layer, precision)
    mean = {"float32": 2.0**13, "float64": 2.0**28}[precision]
    x = mean + np.rint(512 * smooth_input(shape)) / 512  # exact in either precision
    y = layer(x.astype(precision), training=True)[0]
    rows = x.reshape(-1, 3) - mean
    expected = (rows - rows.mean(axis=0)) / np.sqrt(rows.var(axis=0) + 1e-5) * layer.scale + layer.shift
    # The mean itself is rounded, to 1e-7 and 1e-16 of its size.
    np.testing.assert_allclose(y.reshape(-1, 3), expected, rtol=0, atol=mean * np.finfo(precision).eps * 4)
    np.testing.assert_allclose(layer.running_var, 0.9 + 0.1 * rows.var(axis=0, ddof=1), rtol=1e-4)
