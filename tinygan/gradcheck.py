"""Check a handwritten backward pass against finite differences.

For your own layer, a test is three lines::

    layer = MyLayer(channels=5)
    x = rng_for(0, "x").standard_normal((2, 7, 3, 5))
    check_gradients(layer, x)

The layer is initialised in float64 with random parameters (not the usual ones and zeros, which hide mistakes). With a
random upstream gradient r the scalar L = Σ r·layer(x) has the gradients that ``backward(r)`` must return. Along a
random direction d of the input, and of every parameter on its own,

    (L(v + h·d) − L(v − h·d)) / 2h   must equal   Σ d·(gradient of v).

A central difference is off by about h² from the third derivative and by 1e-16·|L|/h from rounding, so h = 1e-5 leaves
about 1e-10, and the default tolerance of 1e-7 lies far above that and far below any real mistake. It does not hold
across a kink: keep inputs further than h from it (:func:`away_from`).

Also checked, since a training loop relies on it: two backward passes add up to the sum of two; ``grads=None`` and
``need_dx=False`` change nothing but what is left out; inputs, upstream gradients and parameters are bit-identical
afterwards.
"""

from collections.abc import Callable

import numpy as np

from tinygan.device import open_backend
from tinygan.layers.base import Layer, initialise
from tinygan.parameters import Parameters
from tinygan.rng import rng_for

STEP = 1e-5
TOLERANCE = 1e-7


def check_gradients(
    layer: Layer, x: np.ndarray, training: bool = True, tolerance: float = TOLERANCE, seed: int = 0
) -> float:
    """Check every gradient of ``layer`` at ``x`` (float64) and return the largest relative error.

    The relative error of a and b is |a − b|/(|a| + |b| + scale), scale being the size of the gradient along a random
    direction, so that a derivative which happens to be near 0 is not judged by its rounding. What rounding of L can do
    to the difference, about 1e-16·Σ|r·y|/h, is taken off first: a gradient may be exactly 0 (a bias before batch norm).

    Raises:
        AssertionError: naming the gradient or the promise that does not hold.
    """
    rng = rng_for(seed, "gradcheck")
    parameters, buffers = initialise(layer, rng, open_backend("cpu", "float64"))
    randomise(parameters, rng)
    running, untouched = buffers.flat.copy(), snapshot(x=x, parameters=parameters.flat)

    def forward() -> np.ndarray:
        buffers.flat[:] = running  # each evaluation starts from the same running statistics
        return layer(x, training)[0]

    y = forward()
    untouched()
    upstream = rng.standard_normal(y.shape)
    buffers.flat[:] = running
    gradients = analytic_gradients(layer, x, upstream, training, parameters)

    rounding = 8 * np.finfo(np.float64).eps * np.abs(upstream * y).sum() / STEP
    worst = 0.0
    for name, value in {"x": x, **parameters}.items():
        direction = rng.standard_normal(value.shape)
        expected = directional_derivative(lambda: float((upstream * forward()).sum()), value, direction)
        actual = float((direction * gradients[name]).sum())
        scale = float(np.sqrt((gradients[name] ** 2).sum()))
        error = max(0.0, abs(actual - expected) - rounding) / (abs(actual) + abs(expected) + scale + 1e-300)
        assert error <= tolerance, f"gradient of {name}: backward gives {actual}, differences give {expected}"
        worst = max(worst, error)
    return worst


def analytic_gradients(
    layer: Layer, x: np.ndarray, upstream: np.ndarray, training: bool, parameters: Parameters
) -> dict[str, np.ndarray]:
    """``backward``'s gradients by name, the input's as "x"; checks the promises named at the head of this file."""
    y, backward = layer(x, training)
    untouched = snapshot(x=x, dy=upstream, parameters=parameters.flat, y=y)
    once, twice = parameters.zeros_like(), parameters.zeros_like()
    dx = np.array(backward(upstream, once))
    backward(upstream, twice)
    backward(3 * upstream, twice)

    untouched()
    np.testing.assert_allclose(twice.flat, 4 * once.flat, rtol=1e-12, atol=1e-12 * np.abs(once.flat).max(initial=1e-3))
    assert np.array_equal(backward(upstream), dx), "grads=None changes the input gradient"
    alone = parameters.zeros_like()
    assert backward(upstream, alone, need_dx=False) is None, "need_dx=False must return None"
    assert np.array_equal(alone.flat, once.flat), "need_dx=False changes the parameter gradients"
    return {"x": dx, **once}


def snapshot(**arrays: np.ndarray) -> Callable[[], None]:
    """A function that raises AssertionError unless every array still holds what it holds now."""
    copies = {name: array.copy() for name, array in arrays.items()}

    def untouched() -> None:
        for name, array in arrays.items():
            assert np.array_equal(array, copies[name]), f"{name} was written to"

    return untouched


def directional_derivative(loss: Callable[[], float], value: np.ndarray, direction: np.ndarray) -> float:
    """(L(v + h·d) − L(v − h·d))/2h for a function ``loss`` that reads ``value``; restores it bit for bit."""
    original = value.copy()
    value[...] = original + STEP * direction
    above = loss()
    value[...] = original - STEP * direction
    below = loss()
    value[...] = original
    return (above - below) / (2 * STEP)


def randomise(parameters: Parameters, rng: np.random.Generator) -> None:
    """Every parameter ±[0.3, 1]: away from 0 and 1, of both signs."""
    size = parameters.flat.size
    parameters.flat[:] = rng.uniform(0.3, 1.0, size) * rng.choice([-1.0, 1.0], size)


def away_from(x: np.ndarray, kink: np.ndarray | float, margin: float = 1e-2) -> np.ndarray:
    """``x`` with every element nearer than ``margin`` to ``kink`` moved that far away from it, on its own side."""
    distance = x - kink
    return np.where(np.abs(distance) < margin, kink + np.where(distance < 0, -margin, margin), x)
