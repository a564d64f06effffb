"""Optimisers against loops over single numbers, written from the formulas."""

import math

import numpy as np
import pytest

from tinygan.device import open_backend
from tinygan.optim import Adam, RMSProp
from tinygan.parameters import Parameters
from tinygan.rng import rng_for

SHAPES = {"w": (2, 3), "b": (3,)}


def weights(precision: str = "float64") -> Parameters:
    parameters = Parameters(SHAPES, open_backend("cpu", precision))
    parameters.flat[:] = rng_for(0, "weights").standard_normal(9)
    return parameters


def gradients(step: int, precision: str = "float64") -> Parameters:
    """Random gradients of very different sizes, 1e-8 to 10, one of them zero."""
    grads = Parameters(SHAPES, open_backend("cpu", precision))
    rng = rng_for(0, "gradients", step)
    grads.flat[:] = rng.standard_normal(9) * 10.0 ** rng.integers(-8, 2, 9)
    grads.flat[step % 9] = 0.0
    return grads


def rmsprop_by_loops(steps: int, learning_rate: float, decay: float, epsilon: float) -> list[float]:
    w, average = list(weights().flat), [0.0] * 9
    for step in range(steps):
        for i, g in enumerate(gradients(step).flat):
            average[i] = decay * average[i] + (1 - decay) * g**2
            w[i] -= learning_rate * g / (math.sqrt(average[i]) + epsilon)
    return w


def adam_by_loops(steps: int, learning_rate: float, beta1: float, beta2: float, epsilon: float) -> list[float]:
    w, mean, square = list(weights().flat), [0.0] * 9, [0.0] * 9
    for step in range(steps):
        for i, g in enumerate(gradients(step).flat):
            mean[i] = beta1 * mean[i] + (1 - beta1) * g
            square[i] = beta2 * square[i] + (1 - beta2) * g**2
            corrected = mean[i] / (1 - beta1 ** (step + 1)), square[i] / (1 - beta2 ** (step + 1))
            w[i] -= learning_rate * corrected[0] / (math.sqrt(corrected[1]) + epsilon)
    return w


CASES = {
    "rmsprop": (RMSProp, {}, rmsprop_by_loops, (0.9, 1e-6)),
    "rmsprop-other": (RMSProp, {"decay": 0.7, "epsilon": 1e-2}, rmsprop_by_loops, (0.7, 1e-2)),
    "adam": (Adam, {}, adam_by_loops, (0.9, 0.999, 1e-8)),
    "adam-other": (Adam, {"beta1": 0.5, "beta2": 0.8, "epsilon": 1e-2}, adam_by_loops, (0.5, 0.8, 1e-2)),
}


@pytest.mark.parametrize(("optimiser", "options", "loops", "constants"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_steps_equal_loops(optimiser, options, loops, constants, steps):
    parameters = weights()
    rule = optimiser(parameters, **options)
    for step in range(steps):
        rule.update(parameters, gradients(step), 0.03)
    # Seven steps of a few roundings each, on numbers near 1.
    np.testing.assert_allclose(parameters.flat, loops(steps, 0.03, *constants), rtol=0, atol=1e-14)


@pytest.mark.parametrize("optimiser", [RMSProp, Adam])
def test_two_processes_update_a_part_each(optimiser):
    whole, shared = (Parameters(SHAPES, open_backend("cpu", "float64"), ["b"]) for _ in range(2))
    shared.flat[:] = whole.flat[:] = rng_for(0, "weights").standard_normal(9)
    rule, *rules = (optimiser(whole) for _ in range(3))
    for step in range(3):
        rule.update(whole, gradients(step), 0.03)
        for process, part in zip(rules, (slice(2), slice(2, 9)), strict=True):
            process.update(shared, gradients(step), 0.03, part)
    np.testing.assert_array_equal(shared.flat, whole.flat)


def test_learning_rate_may_change_between_steps():
    parameters, reference = weights(), weights()
    rule = RMSProp(parameters)
    rule.update(parameters, gradients(0), 0.0)
    np.testing.assert_array_equal(parameters.flat, reference.flat)
    assert (rule.average.flat[1:] > 0).all()  # the average moved all the same


def test_first_step_of_rmsprop_has_the_same_size_for_every_gradient():
    parameters, before = weights(), weights()
    grads = gradients(0)
    grads.flat[:] = values = np.array([1e-2, -0.1, 1.0, -10.0, 100.0, -1.0, 3.0, -0.5, 7.0])
    RMSProp(parameters, epsilon=1e-9).update(parameters, grads, 1e-3)
    # ε against √0.1·1e-2 is 3e-7 of it.
    expected = -1e-3 / math.sqrt(0.1) * np.sign(values)
    np.testing.assert_allclose(parameters.flat - before.flat, expected, rtol=1e-6)


@pytest.mark.parametrize("optimiser", [RMSProp, Adam])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_state_starts_at_zero_and_gradients_are_used_up(optimiser, precision):
    parameters, grads = weights(precision), gradients(3, precision)
    before = grads.flat.copy()
    rule = optimiser(parameters)
    state = [value for value in vars(rule).values() if isinstance(value, Parameters)]
    assert len(state) == {RMSProp: 1, Adam: 2}[optimiser]
    for average in state:
        assert average.flat is not parameters.flat
        assert average.flat.dtype == precision
        np.testing.assert_array_equal(average.flat, 0)
    flat = parameters.flat
    rule.update(parameters, grads, 0.01)
    np.testing.assert_array_equal(grads.flat, 0)
    assert parameters.flat is flat  # updated in place: the layers' views still see it
    assert flat.dtype == precision
    assert all((average.flat[before != 0] != 0).any() for average in state)


def test_zero_gradient_moves_nothing():
    parameters, before = weights(), weights()
    for rule in (RMSProp(parameters), Adam(parameters)):
        rule.update(parameters, parameters.zeros_like(), 0.1)
    np.testing.assert_array_equal(parameters.flat, before.flat)
