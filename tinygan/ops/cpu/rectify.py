"""The rectifiers on the CPU's cores, each block read and written once.

Computed as y = x − (1 − a)·u with u = min(x − b, 0), which has the values of the definition for all finite x.
"""

import numpy as np

from tinygan.array import Array
from tinygan.ops import reference
from tinygan.ops.cpu.blocks import as_rows, block_count, column_sums, for_each_block, tile_channels, total_by_channel
from tinygan.runtime.scratch import scratch


def rectify(x: np.ndarray, slope: Array | float, shift: Array | float) -> np.ndarray:
    y = np.empty(x.shape, x.dtype)
    rows, out = as_rows(x), as_rows(y)
    weights, shifts = tile_channels(np.asarray(1 - slope, x.dtype), rows), tile_channels(shift, rows)

    def work(_: int, block: slice) -> None:
        height, below = _height_and_mask(rows[block], shifts)
        u = _select(below, height)
        try:
            with np.errstate(invalid="raise"):
                np.multiply(u, weights, out=u)
                np.subtract(rows[block], u, out=out[block])
        except FloatingPointError:  # ∞ − ∞: the definition has a value where this form has none
            out[block] = reference.rectify(rows[block], tile_channels(slope, rows), shifts)

    for_each_block(rows.shape, work)
    return y


def rectify_backward(
    x: np.ndarray, dy: np.ndarray, slope: Array | float, shift: Array | float, need: tuple[bool, bool, bool]
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    need_dx, need_slope, need_shift = need
    rows, dy_rows = as_rows(x), as_rows(dy)
    dx = np.empty(x.shape if need_dx else 0, x.dtype)
    parts = np.zeros((2, block_count(*rows.shape), rows.shape[1]), x.dtype)  # of da and db, added in this order
    weight = np.asarray(1 - slope, x.dtype)
    weights, shifts = tile_channels(weight, rows), tile_channels(shift, rows)

    def work(k: int, block: slice) -> None:
        height, below = _height_and_mask(rows[block], shifts)
        dy_below = _select(below, dy_rows[block])
        if need_slope:
            parts[0, k] = column_sums(np.multiply(dy_below, height, out=scratch(height.shape, x.dtype)))
        if need_shift:
            parts[1, k] = column_sums(dy_below)
        if need_dx:
            np.multiply(dy_below, weights, out=dy_below)
            np.subtract(dy_rows[block], dy_below, out=as_rows(dx)[block])

    for_each_block(rows.shape, work)
    dslope, dshift = (total_by_channel(part, x.shape[-1]) for part in parts)
    return dx if need_dx else None, dslope if need_slope else None, weight * dshift if need_shift else None


def _height_and_mask(x: np.ndarray, shift: Array | float) -> tuple[np.ndarray, np.ndarray]:
    """x − b, and integers with all bits set where that is negative, none elsewhere: its sign bit, spread.

    A negative zero counts as below the bend, to the same y.
    """
    height = x if np.ndim(shift) == 0 and shift == 0 else np.subtract(x, shift, out=scratch(x.shape, x.dtype))
    integer = np.dtype(f"i{x.dtype.itemsize}")
    sign = 8 * x.dtype.itemsize - 1
    return height, np.right_shift(height.view(integer), sign, out=scratch(x.shape, integer))


def _select(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    """``values`` where the mask's bits are set, else 0, in the mask's memory: one fast pass, where np.where is slow."""
    np.bitwise_and(mask, values.view(mask.dtype), out=mask)
    return mask.view(values.dtype)
