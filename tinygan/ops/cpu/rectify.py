"""The rectifiers on the CPU's cores, each block read and written once.

Computed as y = x − (1 − a)·u with u = min(x − b, 0): the definition to the rounding of x and b. At x = +∞ the gradient
of a learned slope is NaN, where the definition leaves it out.
"""

import numpy as np

from tinygan.array import Array
from tinygan.ops import reference
from tinygan.ops.cpu.blocks import as_rows, block_count, for_each_block, sum_by_channel, tile_channels
from tinygan.ops.window import TwoGradients
from tinygan.runtime.recording import whole
from tinygan.runtime.scratch import aligned, scratch


def rectify(x: Array, slope: Array | float, shift: Array | float) -> Array:
    y = aligned(x.shape, x.dtype)
    rows, out = as_rows(x), as_rows(y)
    weights = tile_channels(np.asarray(1 - slope, x.dtype), rows)
    slopes, shifts = tile_channels(slope, rows), tile_channels(shift, rows)

    def work(_: int, block: slice) -> None:
        whole(_bend, rows[block], weights, slopes, shifts, out[block])

    for_each_block(*rows.shape, work)
    return y


def _bend(x: np.ndarray, weights: np.ndarray, slopes: Array | float, shifts: Array | float, out: np.ndarray) -> None:
    """x − (1 − a)·min(x − b, 0) into ``out``."""
    try:
        with np.errstate(invalid="raise"):
            np.subtract(x, shifts, out=out)
            np.minimum(out, 0, out=out)
            np.multiply(out, weights, out=out)
            np.subtract(x, out, out=out)
    except FloatingPointError:  # ∞ − ∞, where the definition has a value
        out[...] = reference.rectify(x, slopes, shifts)


def rectify_backward(
    x: Array, dy: Array, slope: Array | float, shift: Array | float, need_dx: bool, totals: TwoGradients = (None, None)
) -> Array | None:
    dslope, dshift = totals
    rows, dy_rows, C = as_rows(x), as_rows(np.asarray(dy, x.dtype)), x.shape[-1]
    dx = aligned(x.shape, x.dtype) if need_dx else None
    parts = np.zeros((2, block_count(*rows.shape), C), x.dtype)  # of da and db, added in this order
    weight = np.asarray(1 - slope, x.dtype)
    weights, shifts = tile_channels(weight, rows), tile_channels(shift, rows)

    def work(k: int, block: slice) -> None:
        height, below = _height_and_mask(rows[block], shifts)
        dy_below = _select(below, dy_rows[block])
        if dslope is not None:
            parts[0, k] = sum_by_channel(np.multiply(dy_below, height, out=scratch(height.shape, x.dtype)), C)
        if dshift is not None:
            parts[1, k] = sum_by_channel(dy_below, C)
        if need_dx:
            np.multiply(dy_below, weights, out=dy_below)
            np.subtract(dy_rows[block], dy_below, out=as_rows(dx)[block])

    for_each_block(*rows.shape, work)
    if dslope is not None:
        dslope += parts[0].sum(axis=0)
    if dshift is not None:
        dshift += weight * parts[1].sum(axis=0)
    return dx


def _height_and_mask(x: np.ndarray, shift: Array | float) -> tuple[np.ndarray, np.ndarray]:
    """x − b, and integers with all bits set where that is negative and none elsewhere, made by shifting its sign bit.

    A negative zero counts as below the bend, where y is the same.
    """
    height = x if np.ndim(shift) == 0 and shift == 0 else np.subtract(x, shift, out=scratch(x.shape, x.dtype))
    integer = np.dtype(x.dtype.str.replace("f", "i"))
    sign = 8 * x.dtype.itemsize - 1
    return height, np.right_shift(height.view(integer), sign, out=scratch(x.shape, integer))


def _select(mask: np.ndarray, values: np.ndarray) -> np.ndarray:
    """``values`` where the mask's bits are set, else 0, in the mask's memory: one fast pass, where np.where is slow."""
    np.bitwise_and(mask, values.view(mask.dtype), out=mask)
    return mask.view(values.dtype)
