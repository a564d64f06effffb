"""The gradient checker itself: it finds every kind of wrong layer, accuses no right one, and changes neither."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.layers.cases import CASES, smooth_input
from tinygan.device import open_backend
from tinygan.differences import STEP, directional_derivative
from tinygan.errors import UsageError
from tinygan.gradcheck import GradientError, away_from, check_gradients, randomise
from tinygan.init import constant, uniform
from tinygan.layers import BatchNorm, Conv2d, Layer, LeakyReLU, Linear, Sequential, Tanh, TPReLU, initialise
from tinygan.optim import RMSProp
from tinygan.rng import rng_for

ROOT = Path(__file__).parent.parent


class Parabola(Layer):
    """y = w·x² + b·x per channel; ``fault`` names one thing that it then does wrong."""

    def __init__(self, fault: str = "", channels: int = 3):
        super().__init__()
        self.fault = fault
        self.parameter("w", (channels,), uniform(-1.0, 1.0))
        self.parameter("b", (channels,), uniform(-1.0, 1.0))
        self.buffer("passes", (1,), constant(0.0))
        self.memory = {}

    def __call__(self, x, training=False):
        y = self.w * x * x + self.b * x
        fault = self.fault
        calls = []
        if training or fault == "evaluation counts":
            self.passes += 1
        if fault == "y is float32":
            y = y.astype(np.float32)
        if fault == "y loses its last row":
            y = y[:-1]
        if fault == "y is used again":
            y = self.again(y)
        if fault == "x on the layer":
            self.kept = x
        if fault == "signs on the layer":
            self.kept = np.sign(x)

        def backward(dy, grads=None, need_dx=True):
            calls.append(dy)
            at = x
            if fault == "x on the layer":
                at = self.kept
            if fault == "signs on the layer":
                at = np.abs(x) * self.kept
            dx = dy * (2 * self.w * at + self.b)
            dw, db = (dy * at * at).sum(axis=0), (dy * at).sum(axis=0)
            whole = {
                "dx times 1.001": 1e-3,
                "dx times 1 + 1e-4": 1e-4,
                "dx needs grads": 1e-3 * (grads is None),
                "dx where w > 0": 1e-3 * (self.w > 0),
                "dx where w < 0": 1e-3 * (self.w < 0),
                "dx in training": 1e-3 * training,
                "dx in evaluation": 1e-3 * (not training),
                "dx for N = 1": 1e-3 * (len(x) == 1),
                "dx for N > 1": 1e-3 * (len(x) > 1),
                "dx by dy": 1e-3 * np.abs(dy),
                "dx by the sign of dy": 1e-3 * (dy > 0),
                "dx by dy's largest": 1e-3 / np.abs(dy).max(),
            }
            dx = dx * (1 + whole.get(fault, 0.0))
            whole = {
                "dw times 1.001": 1e-3,
                "dw times 1 + 1e-4": 1e-4,
                "dw depends on need_dx": 1e-3 * (not need_dx),
                "dw where w > 0": 1e-3 * (self.w > 0),
                "dw in evaluation": 1e-3 * (not training),
                "dw for N = 1": 1e-3 * (len(x) == 1),
                "dw by dy": 1e-3 * np.abs(dy).max(),
            }
            dw = dw * (1 + whole.get(fault, 0.0))
            if fault == "dx clipped":
                dx = dx.clip(-10, 10)
            if fault == "db misses a row":
                db = db - dy[-1] * x[-1]
            if fault == "dx misses a row":
                dx[-1] = 0
            if fault == "db is a mean":
                db = db / len(x)
            if fault == "db is forgotten":
                db = 0
            if fault == "second call differs" and len(calls) > 1:
                dw = dw + 1e-3
            if fault == "second call empty" and len(calls) > 1:
                dx = 0 * dx
            if fault == "dx is flat":
                dx = dx.ravel()
            if fault == "dx is a sum":
                dx = dx.sum(axis=0)
            if fault == "no dx":
                dx = None
            if fault == "dx is used again":
                dx = self.again(dx)
            if grads is not None:
                name = str if fault == "no path" else self.path
                if fault == "assigns":
                    grads[name("w")][...] = grads[name("b")][...] = 0
                grads[name("w")] += dw
                grads[name("b")] += db
            if fault in ("writes dy", "writes x", "writes y", "writes w", "writes the buffer"):
                arrays = {"dy": dy, "x": x, "y": y, "w": self.w, "the buffer": self.passes}
                arrays[fault.removeprefix("writes ")].flat[0] += 1.5
            return dx if need_dx or fault == "ignores need_dx" else None

        return y, backward

    def again(self, values):
        """``values`` in memory that the next pass gets too."""
        memory = self.memory.setdefault(values.shape, np.empty(values.shape))
        memory[...] = values
        return memory


FAULTS = {
    "dx times 1.001": "gradient of x",
    "dx times 1 + 1e-4": "gradient of x",
    "dw times 1.001": "gradient of w",
    "dw times 1 + 1e-4": "gradient of w",
    "dx where w > 0": "gradient of x",
    "dx where w < 0": "gradient of x",
    "dw where w > 0": "gradient of w",
    "dx in training": r"gradient of x.*\(training",
    "dx in evaluation": r"gradient of x.*\(evaluation",
    "dw in evaluation": r"gradient of w.*\(evaluation",
    "dx for N = 1": "gradient of x.*N = 1",
    "dw for N = 1": "gradient of w.*N = 1",
    "dx for N > 1": "gradient of x.*N = 5",
    "dx misses a row": "gradient of x",
    "db misses a row": "gradient of b",
    "db is a mean": "gradient of b",
    "db is forgotten": "gradient of b",
    "dx by dy": "not linear in dy: x",
    "dw by dy": "not linear in dy: w",
    "dx by the sign of dy": "not linear in dy: x",
    "dx by dy's largest": "not linear in dy: x",
    "dx clipped": "not linear in dy: x",
    "dx is flat": r"dx has shape \(15,\), x \(5, 3\)",
    "dx is a sum": r"dx has shape \(3,\), x \(5, 3\)",
    "no dx": r"dx has shape \(\), x \(5, 3\)",
    "assigns": "called again, does not add the same to w",
    "second call differs": "called again, does not add the same to w",
    "second call empty": "called again, does not add the same to x",
    "no path": r"'w'.*self.path\('w'\)",
    "ignores need_dx": "must return None",
    "dx needs grads": "grads=None changes",
    "dw depends on need_dx": "need_dx=False changes",
    "writes dy": "written to: dy",
    "writes x": "written to: x",
    "writes y": "written to: y",
    "writes w": "written to: w",
    "writes the buffer": "written to: passes",
    "evaluation counts": r"written to: passes \(evaluation",
    "x on the layer": "a pass in between .* changes the gradient of x",
    "signs on the layer": "a pass in between .* changes the gradient of x",
    "y is used again": "written to.*: y",
    "dx is used again": "written to.*: dx",
    "y is float32": "y is float32",
    "y loses its last row": r"y is float64 \(4, 3\) for x float64 \(5, 3\)",
}


def rows() -> np.ndarray:
    return rng_for(0, "rows").standard_normal((5, 3))


def test_right_layer_passes_and_tells_the_error_that_is_left():
    # A parabola has no third derivative: what is left is rounding, 1e-16/STEP = 1e-11.
    assert 0 < check_gradients(Parabola(), rows()) < 1e-9


@pytest.mark.parametrize(("fault", "message"), FAULTS.items(), ids=FAULTS.keys())
def test_wrong_layer_fails(fault, message):
    with pytest.raises(GradientError, match=message):
        check_gradients(Parabola(fault), rows())


@pytest.mark.parametrize("seed", range(4))
def test_a_single_parameter_takes_either_sign(seed):
    for fault in ("dx where w > 0", "dx where w < 0"):
        with pytest.raises(GradientError, match="gradient of x"):
            check_gradients(Parabola(fault, channels=1), rows()[:, :1], seed=seed)


def unnoticed() -> list[str]:
    """The planted faults that the checker lets pass; of the right layer none may be one."""
    passed = []
    for fault in ("", *FAULTS):
        try:
            check_gradients(Parabola(fault), rows())
            passed.append(fault)
        except AssertionError:
            pass
    return passed


def test_without_assert_statements_everything_is_still_found():
    command = [sys.executable, "-O", "-c", "from tests.test_gradcheck import unnoticed; print(unnoticed())"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == "['']\n"


@pytest.mark.parametrize("seed", range(5))
def test_small_error_is_found_whatever_the_direction(seed):
    for fault in ("dx times 1 + 1e-4", "dw times 1 + 1e-4"):
        with pytest.raises(GradientError, match="gradient of"):
            check_gradients(Parabola(fault), rows(), seed=seed)
    check_gradients(Parabola(), rows(), seed=seed)


class Offset(Layer):
    """y = 10 + w·x/100, its gradient of w too large by 1 in 10,000: an error small against the output."""

    def __init__(self):
        super().__init__()
        self.parameter("w", (3,), uniform(-1.0, 1.0))

    def __call__(self, x, training=False):
        def backward(dy, grads=None, need_dx=True):
            if grads is not None:
                grads[self.path("w")] += (1 + 1e-4) * (dy * x / 100).sum(axis=0)
            return dy * self.w / 100 if need_dx else None

        return 10 + self.w * x / 100, backward


def test_the_allowance_for_rounding_hides_no_error():
    with pytest.raises(GradientError, match="gradient of w"):
        check_gradients(Offset(), rows())


def test_the_error_is_told_before_any_allowance():
    found = check_gradients(Offset(), rows(), tolerance=1.0)
    assert 1e-6 < found < 1e-4  # of a gradient too large by 1e-4, along random directions


class FromBatch(Layer):
    """y = x − mean over the batch, in training; one row alone is refused, by a layer that says it needs several."""

    mixes_images = True

    def __call__(self, x, training=False):
        if training and len(x) == 1:
            raise ValueError("one row has no mean of its own")
        mean = x.mean(axis=0) if training else 0.0

        def backward(dy, grads=None, need_dx=True):
            return (dy - dy.mean(axis=0) if training else dy) if need_dx else None

        return x - mean, backward


def test_one_row_alone_may_be_refused_by_a_layer_that_mixes_images_only():
    assert check_gradients(FromBatch(), rows()) < 1e-9
    assert check_gradients(FromBatch(), rows()[:1]) < 1e-9  # evaluation alone
    layer = FromBatch()
    layer.mixes_images = False
    with pytest.raises(ValueError, match="one row"):
        check_gradients(layer, rows())


def test_batch_norm_of_two_rows_is_right():
    """Two rows that nearly agree: the third derivative is large, the gradient of others is close to 0."""
    for seed in range(200):
        check_gradients(BatchNorm(3), rng_for(seed, "two rows").standard_normal((2, 3)), seed=seed)


@pytest.mark.parametrize("mean", [1e3, 1e6, -1e8])
def test_rounding_within_a_layer_is_no_mistake(mean):
    """Far from 0 batch norm subtracts nearly equal numbers: its roundings are larger than those of its output."""
    x = rows()
    assert check_gradients(BatchNorm(3), mean + x) > 1e-12
    check_gradients(Sequential({"act": LeakyReLU(0.3), "norm": BatchNorm(3)}), mean + x)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_inputs_of_any_size(scale):
    for layer in (Linear(3, 2), Parabola(), BatchNorm(3)):
        check_gradients(layer, scale * rows())


@pytest.mark.parametrize("seed", range(20))
def test_kinks_that_nobody_can_see_accuse_nobody(seed):
    """Of a thousand hidden rectifiers some lie within a step of their kink."""
    hidden = Sequential({"one": Linear(5, 1000), "act": TPReLU(1000), "two": Linear(1000, 2)})
    check_gradients(hidden, rng_for(seed, "hidden").standard_normal((8, 5)), seed=seed)


def test_a_gradient_of_exactly_0_is_not_judged_by_rounding():
    # Batch norm takes the bias of the convolution before it out again.
    layer = Sequential({"conv": Conv2d(3, 3, 3, pad=1), "norm": BatchNorm(3)})
    assert check_gradients(layer, smooth_input((2, 4, 6, 3))) < 1e-7


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8, np.complex128])
def test_another_type_of_x_is_named(dtype):
    with pytest.raises(UsageError, match=rf"x is {np.dtype(dtype)}.*x\.astype\(np\.float64\)"):
        check_gradients(Tanh(), np.ones((4, 3), dtype))


def test_an_empty_batch_is_refused():
    with pytest.raises(UsageError, match=r"x is float64 \(0, 3\)"):
        check_gradients(Tanh(), np.ones((0, 3)))


def test_a_layer_in_use_stays_in_use():
    """Its arrays, its names, its training: as if nobody had looked."""
    inner, rng = Linear(3, 2), rng_for(0, "in use")
    network = Sequential({"norm": BatchNorm(3), "linear": inner})
    parameters, buffers = initialise(network, rng, open_backend("cpu", "float64"))
    before, x = (parameters.flat.copy(), buffers.flat.copy()), rows()
    given = x.copy()
    for layer in (network, inner):
        check_gradients(layer, x)
    np.testing.assert_array_equal(x, given)
    np.testing.assert_array_equal(parameters.flat, before[0])
    np.testing.assert_array_equal(buffers.flat, before[1])
    assert inner.path("w") == "linear.w"
    optimiser, gradients = RMSProp(parameters), parameters.zeros_like()
    y, backward = network(x, training=True)
    backward(y, gradients)
    optimiser.update(parameters, gradients, 0.1)
    assert np.abs(inner.w - before[0][-8:-2].reshape(3, 2)).min() > 0.01
    assert np.abs(network(x, training=True)[0] - y).min() > 1e-3


def test_every_pass_starts_from_the_same_buffers():
    class Counting(Layer):
        """y = (1 + n)·x, n the number of training passes before: right if every pass starts from the same state."""

        def __init__(self):
            super().__init__()
            self.buffer("n", (1,), constant(0.0))

        def __call__(self, x, training=False):
            factor = 1 + self.n.copy()
            self.n += training
            return factor * x, lambda dy, grads=None, need_dx=True: factor * dy if need_dx else None

    check_gradients(Counting(), rows())


def test_a_forward_pass_that_writes_into_its_input_is_found():
    class AbsoluteInPlace(Layer):
        """y = x² by way of writing |x| into x: the second forward pass no longer shows it."""

        def __call__(self, x, training=False):
            np.abs(x, out=x)
            return x * x, lambda dy, grads=None, need_dx=True: 2 * dy * x if need_dx else None

    with pytest.raises(GradientError, match="written to: x"):
        check_gradients(AbsoluteInPlace(), rows())


def test_at_a_kink_the_remedy_is_named():
    x = rows()
    x[2, 1] = 0.0
    with pytest.raises(GradientError, match=r"gradient of x.*across a kink \(see away_from\)"):
        check_gradients(LeakyReLU(0.3), x)
    check_gradients(LeakyReLU(0.3), away_from(x, 0.0))


def test_tolerance_is_obeyed():
    with pytest.raises(GradientError, match="gradient of"):
        check_gradients(Parabola("dx times 1.001"), rows(), tolerance=1e-5)
    check_gradients(Parabola("dx times 1.001"), rows(), tolerance=0.01)


def test_directional_derivative_and_what_it_leaves_behind():
    value = np.array([0.1, -3.7, 1e-9, 1e9])
    before, direction = value.tobytes(), np.array([1.0, -2.0, 0.5, 1e-3])
    seen = []

    def cubes() -> np.ndarray:
        seen.append(value.copy())
        return value[:3] ** 3

    expected = 3 * (0.1**2 * 1.0 + 3.7**2 * -2.0 + 1e-18 * 0.5)
    derivative, doubt = directional_derivative(cubes, np.ones(3), value, direction)
    # The third derivative drops out; rounding of 50 at 1e-16/h is below 1e-9 of 82.
    assert derivative == pytest.approx(expected, rel=1e-9)
    assert doubt < 1e-6
    assert value.tobytes() == before
    moved = (seen[1] - seen[2])[:2] / direction[:2]
    np.testing.assert_array_equal(moved > STEP, True)  # both sides were visited


def test_a_kink_within_a_step_makes_the_doubt_large():
    for place in (0.0, 0.3, 0.7):
        value = np.array([place * STEP])
        assert directional_derivative(lambda value=value: np.abs(value), 1.0, value, np.ones(1))[1] > 0.1


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


@pytest.mark.parametrize("name", CASES)
def test_no_layer_of_tinygan_is_accused(name):
    """With three other draws of parameters and directions than tests/layers has."""
    for seed in (1, 2, 3):
        check_gradients(CASES[name].build(), smooth_input(CASES[name].shape, seed), seed=seed)


class Centred(Layer):
    """y = x − mean over the batch: mixes images."""

    def __call__(self, x, training=False):
        return x - x.mean(axis=0), lambda dy, grads=None, need_dx=True: dy - dy.mean(axis=0) if need_dx else None


class Mixing(Centred):
    mixes_images = True


class Widened(Layer):
    """NumPy's scalars make float64 of float32."""

    def __call__(self, x, training=False):
        return np.sqrt(2) * x, lambda dy, grads=None, need_dx=True: np.sqrt(2) * dy if need_dx else None


def test_images_that_are_mixed_unsaid_are_found():
    x = np.random.default_rng(0).standard_normal((4, 3))
    with pytest.raises(GradientError, match="depends on the others, and mixes_images is not set"):
        check_gradients(Centred(), x)
    assert check_gradients(Mixing(), x) < 1e-7


class Unpaired(Layer):
    """Its backward pass is forgotten."""

    def __call__(self, x, training=False):
        return x * x


def test_what_cannot_be_checked_is_refused_in_one_line():
    with pytest.raises(GradientError, match="ends in `return y, backward`"):
        check_gradients(Unpaired(), np.ones((2, 3)))  # two rows: they could be taken for the two values
    with pytest.raises(GradientError, match="is no layer: give one that is made"):
        check_gradients(Unpaired, np.ones((2, 3)))
    with pytest.raises(UsageError, match="x is int64"):
        check_gradients(Tanh(), [[1, 2, 3]])
    with pytest.raises(UsageError, match="row of finite float64"):
        check_gradients(Tanh(), np.full((2, 3), np.nan))


def test_float64_out_of_float32_is_found():
    with pytest.raises(GradientError, match=r"float32 does not stay float32: .*'y': dtype"):
        check_gradients(Widened(), np.random.default_rng(0).standard_normal((4, 3)))


class Dropping(Layer):
    """Other numbers at each pass."""

    def __call__(self, x, training=False):
        kept = np.random.default_rng().random(x.shape) < 0.5 if training else np.ones(x.shape, bool)
        return x * kept, lambda dy, grads=None, need_dx=True: dy * kept if need_dx else None


class WidenedInTraining(Layer):
    def __call__(self, x, training=False):
        factor = np.full(x.shape[1:], 2.0) if training else np.ones((), x.dtype)
        return factor * x, lambda dy, grads=None, need_dx=True: factor * dy if need_dx else None


class Replacing(Layer):
    """y = s·x, whose gradient takes the place of what was there."""

    def __init__(self):
        super().__init__()
        self.parameter("s", (), constant(1.0))

    def __call__(self, x, training=False):
        def backward(dy, grads=None, need_dx=True):
            if grads is not None:
                grads[self.path("s")] = grads[self.path("s")] + (dy * x).sum()
            return dy * self.s if need_dx else None

        return self.s * x, backward


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Dropping(), r"two passes over the same x differ \(random numbers\?"),
        (WidenedInTraining(), r"float32 does not stay float32: .*'y': dtype"),
        (Replacing(), r"grads\['s'\] is replaced: add to it in place, with \+="),
    ],
    ids=["random", "float64 in training", "replaced"],
)
def test_the_promise_that_is_broken_is_named(layer, message):
    with pytest.raises(GradientError, match=message):
        check_gradients(layer, np.random.default_rng(0).standard_normal((4, 3)))


class OnADevice(Tanh):
    """Knows its backend."""

    def __init__(self):
        super().__init__()
        self.backend = open_backend("cpu")


def test_a_layer_may_hold_its_backend():
    assert check_gradients(OnADevice(), np.random.default_rng(0).standard_normal((4, 3))) < 1e-7


def test_a_number_is_no_batch():
    with pytest.raises(UsageError, match=r"x is float64 \(\): give at least one row"):
        check_gradients(Tanh(), np.float64(3))
