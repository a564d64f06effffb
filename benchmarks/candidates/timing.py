"""What a device says of a candidate: the time of a layer's passes, and whether their values are right."""

import time
from collections.abc import Callable

import numpy as np

from benchmarks.candidates import convolution
from tinygan.device import Backend
from tinygan.errors import TinyganError
from tinygan.ops import cuda
from tinygan.rng import rng_for

REPEATS = 20  # in a graph: then its own launch, some 10 µs, is little
WARM = 0.5  # seconds of launches until clocks have risen; the fastest counts, since something else may run there


def measured(layer, backend: Backend, module) -> tuple[float, float]:
    """Seconds of (forward, backward) of a layer by ``module``."""
    x, w, dy = layer.arrays(backend, uniform)
    function = getattr(module, layer.operation)
    _, backward = function(x, w, layer.shape.window)
    return _seconds(backend, lambda: function(x, w, layer.shape.window)), _seconds(backend, lambda: backward(dy))


def _seconds(backend: Backend, run: Callable) -> float:
    xp = backend.xp
    stream, pool = xp.cuda.get_current_stream(), xp.cuda.MemoryPool()
    run()  # compiles, and makes handles
    stream.synchronize()
    with xp.cuda.using_allocator(pool.malloc):
        stream.begin_capture()
        for _ in range(REPEATS):
            run()
        graph = stream.end_capture()
    best, until = np.inf, time.monotonic() + WARM
    while best == np.inf or time.monotonic() < until:
        started = time.perf_counter()
        graph.launch(stream)
        stream.synchronize()
        best = min(best, time.perf_counter() - started)
    del graph  # before the memory that it refers to
    pool.free_all_blocks()
    return best / REPEATS


def check(layer, backend: Backend) -> None:
    """Compare y, dx and dw of the candidate with the package's in float64; TinyganError names what is wrong.

    Of small whole numbers every product and every sum is exact in TF32 and float32, so all must be equal: a wrong
    index, a missed border, a fragment in the wrong lane cannot hide behind a tolerance.

    Of other numbers each factor is rounded by at most 2^-11 of itself, so each of the k products ab by 2^-10, in either
    direction: by Hoeffding's inequality the error of the sum is below 8·2^-10·√Σa²b² but once in 10^13 sums. So are the
    partial sums below 8·√Σa²b²; there are k/8 additions of eight products, each of which may lose 2^-22 of that.
    """
    for draw, exact in ((whole, True), (uniform, False)):
        x, w, dy = (array.astype(np.float64) for array in layer.arrays(backend, draw))
        right = _passes(layer, cuda, x, w, dy)
        own = _passes(layer, convolution, *(array.astype(np.float32) for array in (x, w, dy)))
        squares = _passes(layer, cuda, x * x, w * w, dy * dy)
        for name in _own(layer, x.astype(np.float32)):
            inner = layer.images * layer.shape.places[0] * layer.shape.places[1]
            inner = inner if name == "dw" else w.size // min(w.shape[2:])  # at least as many as there are
            allowed = 0 if exact else 8 * (2**-10 + inner * 2**-25) * backend.to_host(squares[name]) ** 0.5
            error = abs(backend.to_host(own[name]) - backend.to_host(right[name]))
            if not (error <= allowed).all():
                kind = "whole numbers" if exact else "random numbers"
                raise TinyganError(f"{layer.name}: {name} of {kind} is wrong by up to {error.max():.3g}")


def _passes(layer, module, x, w, dy) -> dict:
    y, backward = getattr(module, layer.operation)(x, w, layer.shape.window)
    dx, dw = backward(dy)
    return {"y": y, "dx": dx, "dw": dw}


def _own(layer, x) -> list[str]:
    """Which of y, dx and dw are not the package's."""
    if convolution.why_not(x, layer.shape):
        return []
    to_image = "dx" if layer.operation == "correlate" else "y"
    return [name for name in ("y", "dx", "dw") if name != to_image or not convolution.why_not_to_image(layer.shape)]


def uniform(purpose: str, shape: tuple[int, ...]) -> np.ndarray:
    """Random numbers from -1 to 1."""
    return rng_for(0, purpose).uniform(-1, 1, shape).astype(np.float32)


def whole(purpose: str, shape: tuple[int, ...]) -> np.ndarray:
    """Random whole numbers from -4 to 4."""
    return rng_for(0, purpose).integers(-4, 5, shape).astype(np.float32)
