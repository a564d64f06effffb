"""The rectifiers: one pass forward, one pass and a tree of sums backward."""

from tinygan.array import Array, array_module
from tinygan.ops.cuda.launch import launch
from tinygan.ops.cuda.sums import chunk_count, finish
from tinygan.ops.window import TwoGradients


def rectify(x: Array, slope: Array | float, shift: Array | float) -> Array:
    y = array_module(x).empty_like(x)
    launch("rectify", "rectifier_forward", x.size, x, *_bend(x, slope, shift), x.shape[-1], x.size, y)
    return y


def rectify_backward(
    x: Array, dy: Array, slope: Array | float, shift: Array | float, need_dx: bool, totals: TwoGradients = (None, None)
) -> Array | None:
    xp, channels = array_module(x), x.shape[-1]
    dx = xp.empty_like(x) if need_dx else None
    bend = _bend(x, slope, shift)
    if all(total is None for total in totals):
        if need_dx:
            launch("rectify", "rectifier_input_gradient", x.size, x, dy, *bend, channels, x.size, dx)
        return dx
    rows = x.size // channels
    chunks = chunk_count(rows)
    sums = xp.empty((chunks, 2 * channels), x.dtype)
    # Without need_dx the kernel does not use the pointer: any array will do.
    results = (int(need_dx), dx if need_dx else sums, sums)
    launch("rectify", "rectifier_backward", chunks * channels, x, dy, *bend, channels, rows, chunks, *results)
    finish(sums, *totals)
    return dx


def _bend(x: Array, slope: Array | float, shift: Array | float) -> tuple:
    """(pointer, whether it is learned, number) of slope and of shift; for a number the pointer is any array's."""
    return tuple(
        part
        for value in (slope, shift)
        for part in ((x, 0, float(value)) if isinstance(value, float | int) else (value, 1, 0.0))
    )
