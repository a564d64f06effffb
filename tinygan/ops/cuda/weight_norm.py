"""Weights scaled to length one per output channel, and the gradient of that: one kernel each, compiled per shape."""

import math
from collections.abc import Callable

from tinygan.array import Array, array_module
from tinygan.ops.cuda.launch import BLOCK, launch
from tinygan.ops.reference import ceil_div

SIDE = 8  # units of a block, where a unit's values are not neighbours: memory is read 8 floats at a time


def weight_norm(w: Array, axis: int, k: float, epsilon: float) -> tuple[Array, Callable[[Array, Array], None]]:
    xp, shape = array_module(w), constants(w.shape, axis)
    length, v = xp.empty(shape["UNITS"], w.dtype), xp.empty_like(w)
    launch("weight_norm", "weight_norm", _threads(shape), w, float(k), float(epsilon), length, v, **shape)

    def add_gradient(dv: Array, dw: Array) -> None:
        launch("weight_norm", "weight_norm_gradient", _threads(shape), dv, v, length, float(k), dw, **shape)

    return v, add_gradient


def channel_dot(a: Array, b: Array, axis: int, total: Array | None = None) -> Array:
    shape = constants(a.shape, axis)
    out = array_module(a).empty(shape["UNITS"], a.dtype) if total is None else total
    launch("weight_norm", "channel_dot", _threads(shape), a, b, int(total is not None), out, **shape)
    return out


def constants(shape: tuple[int, ...], axis: int) -> dict[str, int]:
    """What the compiler is told: the number of values before, along and after ``axis``, and the units of a block."""
    inner = math.prod(shape[axis + 1 :])
    side = SIDE if inner == 1 and shape[axis] > 1 else 1
    return {"OUTER": math.prod(shape[:axis]), "UNITS": shape[axis], "INNER": inner, "SIDE": side}


def _threads(shape: dict[str, int]) -> int:
    return ceil_div(shape["UNITS"], shape["SIDE"]) * BLOCK
