"""The rectifiers' formula and its gradients: plain, in one pass on the CPU's cores, and on the GPU.

    y = x − (1 − a)·u  with  u = min(x − b, 0)

for slope a and shift b, one per channel or one number for all. x, y, dy: (..., C), C last.
"""

from typing import NamedTuple

import numpy as np

from tinygan.array import Array, array_module, on_gpu
from tinygan.ops.cpu.blocks import as_rows, block_count, channel_sums, column_sums, for_each_block, tile_channels
from tinygan.ops.cuda import rectify as gpu
from tinygan.runtime.threads import scratch


class Gradients(NamedTuple):
    """dx of x's shape, or None; da and db (C,), or None where they were not asked for."""

    dx: Array | None
    slope: Array | None
    shift: Array | None


def rectify(x: Array, slope: Array | float, shift: Array | float) -> Array:
    """y, a new array."""
    if on_gpu(x):
        return gpu.rectify(x, slope, shift)
    return _rectify_on_cores(x, slope, shift)


def rectify_backward(
    x: Array, dy: Array, slope: Array | float, shift: Array | float, need: tuple[bool, bool, bool]
) -> Gradients:
    """dx = dy above the bend, a·dy below; da = Σ dy·(x − b), db = Σ dy·(1 − a), both over x < b.

    Args:
        need: which of dx, da, db.
    """
    if on_gpu(x):
        return Gradients(*gpu.rectify_backward(x, dy, slope, shift, need))
    return _rectify_backward_on_cores(x, dy, slope, shift, need)


def rectify_plain(x: Array, slope: Array | float, shift: Array | float) -> Array:
    """The formula of :func:`rectify`, what its fast versions are tested against."""
    return x - (1 - slope) * array_module(x).minimum(x - shift, 0)


def rectify_backward_plain(
    x: Array, dy: Array, slope: Array | float, shift: Array | float, need: tuple[bool, bool, bool]
) -> Gradients:
    """The formulas of :func:`rectify_backward`."""
    below = array_module(x).minimum(x - shift, 0)
    dy_below = dy * (below < 0)
    axes = tuple(range(x.ndim - 1))
    return Gradients(
        dy - (1 - slope) * dy_below if need[0] else None,
        (dy * below).sum(axis=axes) if need[1] else None,
        (1 - slope) * dy_below.sum(axis=axes) if need[2] else None,
    )


def _rectify_on_cores(x: np.ndarray, slope: Array | float, shift: Array | float) -> np.ndarray:
    y = np.empty(x.shape, x.dtype)
    rows, out = as_rows(x), as_rows(y)
    weight, shift = tile_channels(np.asarray(1 - slope, x.dtype), rows), tile_channels(shift, rows)

    def work(_: int, block: slice) -> None:
        height, below = _height_and_mask(rows[block], shift)
        u = _where(below, height)
        np.multiply(u, weight, out=u)
        np.subtract(rows[block], u, out=out[block])

    for_each_block(*rows.shape, work)
    return y


def _rectify_backward_on_cores(
    x: np.ndarray, dy: np.ndarray, slope: Array | float, shift: Array | float, need: tuple[bool, bool, bool]
) -> Gradients:
    need_dx, need_slope, need_shift = need
    rows, dy_rows = as_rows(x), as_rows(dy)
    dx = np.empty(x.shape, x.dtype) if need_dx else None
    parts = np.zeros((2, block_count(*rows.shape), rows.shape[1]), x.dtype)  # of da and db, summed in this order
    weight = np.asarray(1 - slope, x.dtype)
    weights, shifts = tile_channels(weight, rows), tile_channels(shift, rows)

    def work(k: int, block: slice) -> None:
        height, below = _height_and_mask(rows[block], shifts)
        dy_below = _where(below, dy_rows[block])
        if need_slope:
            parts[0, k] = column_sums(np.multiply(dy_below, height, out=scratch(height.shape, x.dtype)))
        if need_shift:
            parts[1, k] = column_sums(dy_below)
        if need_dx:
            np.multiply(dy_below, weights, out=dy_below)
            np.subtract(dy_rows[block], dy_below, out=as_rows(dx)[block])

    for_each_block(*rows.shape, work)
    da, db = (channel_sums(part, x.shape[-1]) for part in parts)
    return Gradients(dx, da if need_slope else None, weight * db if need_shift else None)


def _height_and_mask(x: np.ndarray, shift: Array | float) -> tuple[np.ndarray, np.ndarray]:
    """x − b, and integers with all bits set where that is negative, none elsewhere: its sign bit, spread.

    (A negative zero counts as below the bend, to the same y.)
    """
    height = x if np.ndim(shift) == 0 and shift == 0 else np.subtract(x, shift, out=scratch(x.shape, x.dtype))
    integer = np.dtype(f"i{x.dtype.itemsize}")
    sign = 8 * x.dtype.itemsize - 1
    return height, np.right_shift(height.view(integer), sign, out=scratch(x.shape, integer))


def _where(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    """``values`` where the mask's bits are set, else 0, in the mask's memory: ten times as fast as by truth values."""
    np.bitwise_and(mask, values.view(mask.dtype), out=mask)
    return mask.view(values.dtype)
