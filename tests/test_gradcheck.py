"""The gradient checker itself: it must pass a right layer and fail every kind of wrong one."""

import numpy as np
import pytest

from tests.layers.cases import smooth_input
from tinygan.device import open_backend
from tinygan.gradcheck import STEP, away_from, check_gradients, directional_derivative, randomise
from tinygan.init import constant, uniform
from tinygan.layers import BatchNorm, Conv2d, Layer, LeakyReLU, Linear, Sequential, initialise
from tinygan.rng import rng_for


class Parabola(Layer):
    """y = w·x² + b·x per channel; ``fault`` names one thing that its backward pass then does wrong."""

    def __init__(self, fault: str = ""):
        super().__init__()
        self.fault = fault
        self.parameter("w", (3,), uniform(-1.0, 1.0))
        self.parameter("b", (3,), uniform(-1.0, 1.0))

    def __call__(self, x, training=False):
        y = self.w * x * x + self.b * x
        fault = self.fault
        calls = []

        def backward(dy, grads=None, need_dx=True):
            calls.append(dy)
            dx = dy * (2 * self.w * x + self.b)
            dw, db = (dy * x * x).sum(axis=0), (dy * x).sum(axis=0)
            if fault == "dx times 1.001" or (fault == "dx needs grads" and grads is None):
                dx = dx * 1.001
            if fault == "dw times 1.001" or (fault == "dw depends on need_dx" and not need_dx):
                dw = dw * 1.001
            if fault == "db misses a row":
                db = db - dy[0] * x[0]
            if fault == "db is a mean":
                db = db / len(x)
            if fault == "second call differs" and len(calls) > 1:
                dw = dw + 1e-3
            if grads is not None and fault == "assigns":
                grads[self.path("w")][...], grads[self.path("b")][...] = dw, db
            elif grads is not None:
                grads[self.path("w")] += dw
                grads[self.path("b")] += db
            if fault in ("writes dy", "writes x", "writes y"):
                {"writes dy": dy, "writes x": x, "writes y": y}[fault][0, 0] *= 1.5
            if fault == "writes parameters":
                self.w[0] *= 1.5
            return dx if need_dx or fault == "ignores need_dx" else None

        return y, backward


FAULTS = {
    "dx times 1.001": "gradient of x",
    "dw times 1.001": "gradient of w",
    "db misses a row": "gradient of b",
    "db is a mean": "gradient of b",
    "assigns": "Not equal to tolerance",
    "second call differs": "Not equal to tolerance",
    "writes dy": "dy was written to",
    "writes x": "x was written to",
    "writes y": "y was written to",
    "writes parameters": "parameters was written to",
    "ignores need_dx": "must return None",
    "dx needs grads": "grads=None changes",
    "dw depends on need_dx": "need_dx=False changes",
}


def rows() -> np.ndarray:
    return rng_for(0, "rows").standard_normal((5, 3))


def test_right_layer_passes_with_an_error_far_below_the_tolerance():
    # A parabola has no third derivative: what is left is rounding, 1e-16/STEP = 1e-11.
    assert check_gradients(Parabola(), rows()) < 1e-9


@pytest.mark.parametrize(("fault", "message"), FAULTS.items(), ids=FAULTS.keys())
def test_wrong_layer_fails(fault, message):
    with pytest.raises(AssertionError, match=message):
        check_gradients(Parabola(fault), rows())


def test_a_gradient_of_exactly_0_is_not_judged_by_rounding():
    # Batch norm takes the bias of the convolution before it out again.
    check_gradients(Sequential({"conv": Conv2d(3, 3, 3, pad=1), "norm": BatchNorm(3)}), smooth_input((2, 4, 6, 3)))


class AbsoluteInPlace(Layer):
    """y = x² by way of writing |x| into x: the second forward pass no longer shows it."""

    def __call__(self, x, training=False):
        np.abs(x, out=x)
        return x * x, lambda dy, grads=None, need_dx=True: 2 * dy * x if need_dx else None


def test_a_forward_pass_that_writes_into_its_input_is_found():
    with pytest.raises(AssertionError, match="x was written to"):
        check_gradients(AbsoluteInPlace(), rows())


class Counting(Layer):
    """y = (1 + n)·x, n the number of training passes before: right only if every pass starts from the same state."""

    def __init__(self):
        super().__init__()
        self.buffer("n", (1,), constant(0.0))

    def __call__(self, x, training=False):
        factor = 1 + self.n.copy()
        self.n += 1
        return factor * x, lambda dy, grads=None, need_dx=True: factor * dy if need_dx else None


def test_every_pass_starts_from_the_same_buffers():
    check_gradients(Counting(), rows())


@pytest.mark.parametrize("seed", range(5))
def test_small_error_is_found_whatever_the_direction(seed):
    for fault in ("dx times 1.001", "dw times 1.001"):
        with pytest.raises(AssertionError, match="gradient of"):
            check_gradients(Parabola(fault), rows(), seed=seed)
    check_gradients(Parabola(), rows(), seed=seed)


def test_crossing_a_kink_is_not_silently_right():
    x = rows()
    x[2, 1] = 0.0
    with pytest.raises(AssertionError, match="gradient of x"):
        check_gradients(LeakyReLU(0.3), x)
    check_gradients(LeakyReLU(0.3), away_from(x, 0.0))


def test_tolerance_is_obeyed():
    with pytest.raises(AssertionError, match="gradient of"):
        check_gradients(Parabola("dx times 1.001"), rows(), tolerance=1e-5)
    check_gradients(Parabola("dx times 1.001"), rows(), tolerance=0.01)


def test_directional_derivative_and_what_it_leaves_behind():
    value = np.array([0.1, -3.7, 1e-9, 1e9])
    before, direction = value.tobytes(), np.array([1.0, -2.0, 0.5, 1e-3])
    seen = []

    def loss() -> float:
        seen.append(value.copy())
        return float((value[:3] ** 3).sum())

    expected = 3 * (0.1**2 * 1.0 + 3.7**2 * -2.0 + 1e-18 * 0.5)
    # h² times the third derivative, 6, and rounding of 50 at 1e-16/h: both below 1e-9 of 82.
    assert directional_derivative(loss, value, direction) == pytest.approx(expected, rel=1e-9)
    assert value.tobytes() == before
    np.testing.assert_array_equal((seen[0] - seen[1])[:2] / direction[:2] > STEP, True)  # both sides were visited


def test_randomised_parameters_are_away_from_0_and_1_and_of_both_signs():
    parameters, _ = initialise(Linear(30, 40), rng_for(0, "init"), open_backend("cpu", "float64"))
    randomise(parameters, rng_for(0, "random"))
    size = np.abs(parameters.flat)
    assert size.min() >= 0.3
    assert size.max() <= 1.0
    assert 0.4 < (parameters.flat > 0).mean() < 0.6


def test_away_from_moves_only_what_is_near_and_keeps_its_side():
    kink = np.array([0.0, 1.0])
    x = np.array([[0.004, 0.999], [-0.004, 1.5], [0.0, 1.0], [0.02, 0.98]])
    expected = [[0.01, 0.99], [-0.01, 1.5], [0.01, 1.01], [0.02, 0.98]]
    np.testing.assert_allclose(away_from(x, kink), expected, rtol=1e-15)  # one rounding
    np.testing.assert_allclose(away_from(x[:, 0], 0.0, margin=0.1), [0.1, -0.1, 0.1, 0.1], rtol=1e-15)
