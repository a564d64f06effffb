"""The rectifiers: one pass forward, one pass and a tree of sums backward."""

from tinygan.array import Array, array_module
from tinygan.ops.cuda.launch import Kernels
from tinygan.ops.cuda.sums import chunk_count, total

_kernels = Kernels("rectify")


def rectify(x: Array, slope: Array | float, shift: Array | float) -> Array:
    y = array_module(x).empty_like(x)
    _kernels("rectifier_forward", x.size, x, *_bend(x, slope, shift), x.shape[-1], x.size, y)
    return y


def rectify_backward(
    x: Array, dy: Array, slope: Array | float, shift: Array | float, need: tuple[bool, bool, bool]
) -> tuple[Array | None, Array | None, Array | None]:
    xp, channels = array_module(x), x.shape[-1]
    need_dx, need_slope, need_shift = need
    dx = xp.empty_like(x) if need_dx else None
    bend = _bend(x, slope, shift)
    if not (need_slope or need_shift):
        if need_dx:
            _kernels("rectifier_input_gradient", x.size, x, dy, *bend, channels, x.size, dx)
        return dx, None, None
    rows = x.size // channels
    chunks = chunk_count(rows)
    sums = xp.empty((chunks, 2 * channels), x.dtype)
    # Without need_dx the pointer is not used; the sums' stands in for it.
    results = (int(need_dx), dx if need_dx else sums, sums)
    _kernels("rectifier_backward", chunks * channels, x, dy, *bend, channels, rows, chunks, *results)
    dslope, dshift = total(sums).reshape(2, channels)
    return dx, dslope if need_slope else None, dshift if need_shift else None


def _bend(x: Array, slope: Array | float, shift: Array | float) -> tuple[Array | int | float, ...]:
    """(pointer, whether it is learned, number) of slope and shift; where it is a number, x stands in as pointer."""
    return tuple(
        part
        for value in (slope, shift)
        for part in ((x, 0, float(value)) if isinstance(value, float | int) else (value, 1, 0.0))
    )
