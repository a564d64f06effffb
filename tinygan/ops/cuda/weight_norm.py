"""Weights scaled to length one per output channel, and the gradient of that: the operations of ``tinygan/ops``."""

import math
from collections.abc import Callable

from tinygan.array import Array, array_module
from tinygan.ops.cuda.launch import Kernels, square_root

_kernels = Kernels("weight_norm")


def weight_norm(w: Array, axis: int, k: float, epsilon: float) -> tuple[Array, Callable[[Array, Array], None]]:
    xp = array_module(w)
    _, units, inner = _around(w, axis)
    sums = _chunk_products(w, w, axis)
    length, v = xp.empty(units, w.dtype), xp.empty_like(w)
    _kernels("lengths", units, sums, units, sums.shape[1], float(k), float(epsilon), length)
    _kernels("divide", w.size, w, length, units, inner, w.size, v)

    def add_gradient(dv: Array, dw: Array) -> None:
        s = channel_dot(dv, v, axis)
        _kernels("add_projected", w.size, dv, v, length, s, float(k), units, inner, w.size, dw)

    return v, add_gradient


def channel_dot(a: Array, b: Array, axis: int, total: Array | None = None) -> Array:
    sums = _chunk_products(a, b, axis)
    units, chunks = sums.shape
    out = array_module(a).empty(units, a.dtype) if total is None else total
    _kernels("totals", units, sums, units, chunks, int(total is not None), out)
    return out


def _chunk_products(a: Array, b: Array, axis: int) -> Array:
    """Σ a·b per unit, still in chunks: (units, chunks)."""
    outer, units, inner = _around(a, axis)
    chunks = square_root(outer * inner)
    sums = array_module(a).empty((units, chunks), a.dtype)
    _kernels("chunk_products", sums.size, a, b, outer, units, inner, chunks, sums)
    return sums


def _around(w: Array, axis: int) -> tuple[int, int, int]:
    """Number of values before, along and behind ``axis``."""
    return math.prod(w.shape[:axis]), w.shape[axis], math.prod(w.shape[axis + 1 :])
