"""The rectifiers by their definition, at the kink too, and the projection of slopes."""

import numpy as np
import pytest

from tests.layers.cases import prepare, smooth_input
from tinygan.gradcheck import away_from, check_gradients
from tinygan.layers import Layer, LeakyReLU, Linear, PReLU, ReLU, Rescale, Sigmoid, TPReLU, TReLU
from tinygan.layers.activations import LEAKY_SLOPE
from tinygan.optim import Adam, RMSProp
from tinygan.rng import rng_for

SLOPE = np.array([0.3, -0.6, 0.9])
SHIFT = np.array([-0.7, 0.4, 1.2])

# layer, its slope and its shift by definition
RECTIFIERS = {
    "relu": (ReLU, 0.0, 0.0),
    "leaky-relu": (LeakyReLU, LEAKY_SLOPE, 0.0),
    "prelu": (lambda: PReLU(3), SLOPE, 0.0),
    "trelu": (lambda: TReLU(3), 0.0, SHIFT),
    "tprelu": (lambda: TPReLU(3), SLOPE, SHIFT),
}
every_rectifier = pytest.mark.parametrize(("build", "slope", "shift"), RECTIFIERS.values(), ids=RECTIFIERS.keys())


def with_values(layer: Layer) -> tuple[Layer, dict[str, np.ndarray]]:
    """``layer`` with SLOPE and SHIFT in place of what it has of them, and an empty set of gradients."""
    parameters = prepare(layer)
    for name, value in {"slope": SLOPE, "shift": SHIFT}.items():
        if name in parameters:
            parameters[name][...] = value
    return layer, parameters.zeros_like()


@every_rectifier
def test_value_is_the_two_lines(build, slope, shift):
    layer, _ = with_values(build())
    x = 2 * rng_for(0, "x").standard_normal((50, 3))
    above = x >= shift
    assert above.any()
    assert not above.all()
    # Two roundings of numbers below 10.
    np.testing.assert_allclose(layer(x)[0], np.where(above, x, shift + slope * (x - shift)), rtol=0, atol=1e-14)


@every_rectifier
def test_kink_counts_as_above(build, slope, shift):
    layer, grads = with_values(build())
    x = np.zeros((2, 3)) + shift
    dy = np.array([[2.0, -3.0, 5.0], [-7.0, 11.0, 0.5]])
    y, backward = layer(x)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(backward(dy, grads), dy)  # slope 1
    for name, gradient in grads.items():
        np.testing.assert_array_equal(gradient, 0, err_msg=name)  # nothing of a line that x is not on


@every_rectifier
def test_one_step_below_the_kink_is_below(build, slope, shift):
    layer, _ = with_values(build())
    dy = np.array([[2.0, -3.0, 5.0]])
    dx = layer(np.nextafter(np.zeros((1, 3)) + shift, -np.inf))[1](dy)
    np.testing.assert_allclose(dx, dy * slope, rtol=1e-14, atol=1e-15)  # dy − (1 − a)·dy: two roundings of 1e-16


def test_kink_at_a_parameter_is_avoided_by_away_from():
    x = away_from(rng_for(0, "x").standard_normal((4, 7, 5, 3)), 0.0)
    assert np.abs(x).min() >= 1e-2
    assert check_gradients(PReLU(3), x) < 1e-8  # far above rounding, far below any mistake


@pytest.mark.parametrize("build", [PReLU, TPReLU], ids=["prelu", "tprelu"])
@pytest.mark.parametrize("optimiser", [RMSProp, Adam])
def test_an_update_clips_the_slope_alone(build, optimiser):
    layer = build(5)
    parameters = prepare(layer)
    slope = np.array([-0.2, 0.0, 0.4, 1.0, 1.3])
    parameters["slope"][...] = slope
    before = parameters.to_host()
    optimiser(parameters).update(parameters, parameters.zeros_like(), 0.0)
    np.testing.assert_array_equal(parameters["slope"], [0.0, 0.0, 0.4, 1.0, 1.0])
    assert layer.slope is parameters["slope"]  # clipped in place: still part of the flat vector
    for name in set(parameters) - {"slope"}:
        np.testing.assert_array_equal(parameters[name], before[name], err_msg=name)


@pytest.mark.parametrize(
    "build", [lambda: TReLU(3), lambda: LeakyReLU(1.5), lambda: Linear(2, 3)], ids=["trelu", "leaky", "linear"]
)
def test_an_update_leaves_the_others_alone(build):
    layer = build()
    parameters = prepare(layer)
    parameters.flat[:] = np.linspace(-3, 3, parameters.flat.size)
    before, slope = parameters.flat.copy(), getattr(layer, "slope", None)
    RMSProp(parameters).update(parameters, parameters.zeros_like(), 0.0)
    np.testing.assert_array_equal(parameters.flat, before)
    assert getattr(layer, "slope", None) == slope


def test_slope_outside_its_range_still_has_a_gradient():
    # Clamping in the forward pass would make it zero, and the slope could never return (notes B5).
    layer, grads = with_values(TPReLU(3))
    layer.slope[...] = [-0.5, 1.5, 2.0]
    y, backward = layer(smooth_input((20, 3)))
    backward(rng_for(0, "dy").standard_normal(y.shape), grads)
    assert np.abs(grads["slope"]).min() > 0.1


def test_sigmoid_of_extreme_inputs():
    x = np.array([-1000.0, -80.0, 0.0, 80.0, 1000.0], np.float32)
    y = Sigmoid()(x)[0]
    # e⁻⁸⁰ keeps its relative precision; the exponential of a float32 is good to a few units of 6e-8.
    np.testing.assert_allclose(y, [0.0, np.exp(-80.0), 0.5, 1.0, 1.0], rtol=1e-6)


def test_numbers_of_numpy_become_numbers():
    """As kernels take them; and NumPy's float64 would make float64 of float32."""
    assert type(LeakyReLU(np.float32(0.25)).slope) is float
    assert Rescale(np.sqrt(2), np.float64(1))(np.ones((1, 2), np.float32))[0].dtype == np.float32
