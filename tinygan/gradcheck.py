"""Check a handwritten backward pass against finite differences, and whatever else :class:`Layer` promises.

    >>> from tinygan.layers import Linear
    >>> check_gradients(Linear(5, 3), np.random.default_rng(0).standard_normal((4, 5))) < 1e-8
    True

With a random upstream gradient r the scalar L = Σ r·layer(x) has the gradients that ``backward(r)`` must return: along
a random direction d of the input, and of each parameter, the slope of L (``differences.py``) must be Σ d·gradient. At a
kink there is none: keep inputs further than 1e-5 from it (:func:`away_from`).
All of this in training and evaluation, for the batch and for its first row alone, with random parameters of either
sign (the usual ones and zeros hide mistakes). A copy is checked: a layer in use stays as it is.
"""

from collections.abc import Callable
from copy import deepcopy

import numpy as np

from tinygan.array import Array
from tinygan.device import open_backend
from tinygan.differences import STEPS, directional_derivative
from tinygan.errors import TinyganError, UsageError
from tinygan.layers.base import Backward, Layer, initialise
from tinygan.layers.sequential import Sequential
from tinygan.parameters import Parameters
from tinygan.rng import rng_for

TOLERANCE, EPSILON = 1e-7, np.finfo(np.float64).eps
SAME = 1e-12  # relative to the largest value: for results that may differ by the order of a sum
Arrays = dict[str, Array]
Forward = Callable[[], tuple[Array, Backward]]
Draw = Callable[..., Array]


class GradientError(AssertionError):
    """A gradient is wrong or a promise of the layer does not hold; the message names which."""


def check_gradients(layer: Layer, x: Array, *, tolerance: float = TOLERANCE, seed: int = 0) -> float:
    """Check ``layer`` at ``x``, float64 (N, ...), and return the largest relative error that was seen.

    The derivatives a of ``backward`` and b of differences agree if |a − b| ≤ tolerance·(|a| + |b| + ‖gradient‖) +
    rounding. Returned is |a − b| over |a| + |b| + the norm of all gradients together, nothing taken off for rounding.

    Raises GradientError where the layer does not do what it should, UsageError if ``x`` is not finite float64.
    """
    _require(isinstance(layer, Layer), f"{layer!r} is no layer: give one that is made, as Linear(5, 3)")
    x = np.asarray(x)
    if x.dtype != np.float64 or not x.size or not x.ndim or not np.isfinite(x).all():
        raise UsageError(f"x is {x.dtype} {x.shape}: give at least one row of finite float64, as x.astype(np.float64)")
    rng, layer = rng_for(seed, "gradcheck"), deepcopy(layer)
    parameters, buffers = initialise(Sequential({"layer": layer}), rng, open_backend("cpu", "float64"))
    randomise(parameters, rng)
    batches = [x.copy(), x[:1].copy()] if len(x) > 1 else [x.copy()]
    modes = [(batch, mode, _upstream(layer, batch, mode, rng)) for batch in batches for mode in (True, False)]
    cases = [case for case in modes if case[2] is not None]
    running, worst = buffers.flat.copy(), 0.0

    def output(batch: Array, training: bool) -> Arrays:
        buffers.flat[:] = running  # each evaluation starts from the same running statistics
        return {"y": layer(batch.copy(), training)[0].copy()}

    random = "two passes over the same x differ (random numbers? draw them from a generator made anew in each):"
    for batch, training, _ in cases:
        _require_same(output(batch, training), output(batch, training), random)
    if not any(one.mixes_images for one in layer.walk()):
        own = {"y": output(x, True)["y"][:1]}
        _require_same(output(x[:1], True), own, "an image's output depends on the others, and mixes_images is not set:")

    def forward() -> tuple[Array, Backward]:
        buffers.flat[:] = running
        return layer(batch, training)

    def other_passes() -> None:
        for x, mode, upstream in cases:
            layer(0.75 * np.roll(x, 1), mode)[1](upstream)

    for sign in (1, -1):
        parameters.flat[:] *= sign
        for batch, training, dy in cases:
            values, buffers.flat[:] = {"x": batch, **parameters}, running
            try:
                gradients = _promised(forward, values, {} if training else buffers, dy, other_passes)
                worst = max(worst, _worst(forward, values, gradients, dy, tolerance, rng.standard_normal))
            except GradientError as wrong:
                where = f"{'training' if training else 'evaluation'}, N = {len(batch)}"
                raise GradientError(f"{str(wrong).replace('layer.', '')} ({where})") from None
    initialise(layer, rng, open_backend("cpu", "float32"))
    for training in sorted({mode for _, mode, _ in cases}):
        y, backward = layer(x.astype(np.float32), training)
        kinds = {"y": y.dtype, "dx": backward(np.ones_like(y)).dtype}
        _require(set(kinds.values()) == {np.dtype("float32")}, f"float32 does not stay float32: {kinds}")
    return worst


def _upstream(layer: Layer, x: Array, training: bool, rng: np.random.Generator) -> Array | None:
    """A random dy; None where one row is too few for the statistics of a batch, the only refusal that is allowed."""
    try:
        made = layer(x.copy(), training)
    except (ValueError, TinyganError):
        if len(x) == 1 and training and any(one.mixes_images for one in layer.walk()):
            return None
        raise
    _require(isinstance(made, tuple), "a layer ends in `return y, backward`; this one returns something else")
    y = made[0]
    _require(y.dtype == x.dtype and len(y) == len(x), f"y is {y.dtype} {y.shape} for x {x.dtype} {x.shape}")
    return rng.standard_normal(y.shape)


def _promised(forward: Forward, values: Arrays, state: Arrays, dy: Array, other_passes: Callable[[], None]) -> Arrays:
    """``backward``'s gradients by the names of ``values``; neither these nor ``state`` may be written to."""
    x, arrays = values["x"], {"dy": dy, **values, **state}
    before = deepcopy(arrays)
    zeros = _Gradients({name: np.zeros_like(value) for name, value in values.items() if name != "x"})

    def run(dy: Array, times: int = 1) -> Arrays:
        grads = deepcopy(zeros)
        for _ in range(times):
            dx = backward(dy, grads)
        _require(np.shape(dx) == x.shape, f"dx has shape {np.shape(dx)}, x {x.shape}")
        before.setdefault("dx", np.array(arrays.setdefault("dx", dx)))
        return {"x": np.array(dx), **grads}

    arrays["y"], backward = forward()
    before["y"] = arrays["y"].copy()
    once, other = run(dy), np.roll(dy, 1)
    _require_same(arrays, before, "written to:", rounding=0)
    twice = {name: gradient if name == "x" else 2 * gradient for name, gradient in once.items()}
    _require_same(run(dy, times=2), twice, "backward, called again, does not add the same to")
    _require_same({"x": backward(dy)}, once, "grads=None changes the gradient of")
    alone = deepcopy(zeros)
    _require(backward(dy, alone, need_dx=False) is None, "need_dx=False must return None")
    _require_same(alone, once, "need_dx=False changes the gradient of")
    one, mixed = run(other), run(other - 1024 * dy)
    _require_same(mixed, {name: one[name] - 1024 * once[name] for name in once}, "backward is not linear in dy:")
    _require_same(arrays, before, "written to:", rounding=0)
    arrays["y"], backward = forward()
    other_passes()
    _require_same(run(dy), once, "a pass in between (is something kept on the layer?) changes the gradient of")
    _require_same({"y": arrays["y"]}, before, "written to by a later pass:", rounding=0)
    return once


def _worst(forward: Forward, values: Arrays, gradients: Arrays, dy: Array, tolerance: float, draw: Draw) -> float:
    """The largest relative error of the derivatives with respect to ``values``, each along a direction of its own."""
    y, x, largest = forward()[0].copy(), values["x"].copy(), 0.0
    # How much rounding within the layer may change L: as much as rounding y, and every x, would.
    values["x"] *= 1 + EPSILON * np.sign(draw(x.shape))
    rounding = 4 * np.abs(dy * (np.abs(forward()[0] - y) + EPSILON * np.abs(y))).sum()
    values["x"][...] = x
    norms = {name: np.sqrt((gradient**2).sum()) for name, gradient in gradients.items()}
    for name, value in values.items():
        for step in STEPS:
            direction = draw(value.shape)
            expected, doubt = directional_derivative(lambda: forward()[0], dy, value, direction, step)
            actual = (direction * gradients[name]).sum()
            error, size = abs(actual - expected), abs(actual) + abs(expected)
            allowed = tolerance * (size + norms[name]) + rounding / step
            if error <= allowed or doubt <= allowed:
                break
        kink = "" if doubt <= allowed else ", across a kink (see away_from)"
        _require(error <= allowed, f"gradient of {name}: backward gives {actual}, differences {expected}{kink}")
        largest = max(largest, float(error / max(size + sum(norms.values()), EPSILON)))
    return largest


class _Gradients(Arrays):
    def __setitem__(self, name: str, value: Array) -> None:
        _require(value is self.get(name, value), f"grads[{name!r}] is replaced: add to it in place, with +=")
        super().__setitem__(name, value)

    def __missing__(self, name: str) -> None:
        raise GradientError(f"grads[{name!r}] is no parameter's full name: use grads[self.path({name!r})]")


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise GradientError(otherwise)


def _require_same(actual: Arrays, expected: Arrays, otherwise: str, rounding: float = SAME) -> None:
    largest = max(np.abs(value).max(initial=0) for value in expected.values())
    for name, value in actual.items():
        _require(bool((np.abs(value - expected[name]) <= rounding * largest).all()), f"{otherwise} {name}")


def randomise(parameters: Parameters, rng: np.random.Generator) -> None:
    """Every parameter ±[0.3, 1]: away from 0 and 1, of both signs."""
    size = parameters.flat.size
    parameters.flat[:] = rng.uniform(0.3, 1.0, size) * rng.choice([-1.0, 1.0], size)


def away_from(x: Array, kink: Array | float, margin: float = 1e-2) -> Array:
    """``x`` with every element nearer than ``margin`` to ``kink`` moved that far away from it, on its own side."""
    distance = x - kink
    return np.where(np.abs(distance) < margin, kink + np.where(distance < 0, -margin, margin), x)
