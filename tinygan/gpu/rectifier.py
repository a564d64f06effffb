"""The rectifiers of ``layers/activations.py``: y = x − (1 − a)·min(x − b, 0), a and b per channel or numbers."""

from tinygan.backend import Array, array_module
from tinygan.gpu.launch import Kernels
from tinygan.gpu.sums import add_chunks, chunk_count

_kernels = Kernels("rectifier")


def rectifier_forward(x: Array, slope: Array | float, shift: Array | float) -> Array:
    """y of x (..., C); slope and shift (C,) or a number."""
    y = array_module(x).empty_like(x)
    _kernels("rectifier_forward", x.size, x, *_bend(x, slope, shift), x.shape[-1], x.size, y)
    return y


def rectifier_backward(
    x: Array,
    dy: Array,
    slope: Array | float,
    shift: Array | float,
    dslope: Array | None = None,
    dshift: Array | None = None,
    need_dx: bool = True,
) -> Array | None:
    """dx of the same x, slope and shift; adds to ``dslope`` and ``dshift`` (C,) where they are given.

    dx = dy above the shift and a·dy below; da = Σ dy·(x − b) and db = Σ dy·(1 − a), both over x < b.
    """
    xp, channels = array_module(x), x.shape[-1]
    dx = xp.empty_like(x) if need_dx else None
    bend = _bend(x, slope, shift)
    if dslope is None and dshift is None:
        if need_dx:
            _kernels("rectifier_input_gradient", x.size, x, dy, *bend, channels, x.size, dx)
        return dx
    rows = x.size // channels
    chunks = chunk_count(rows)
    sums = xp.empty((chunks, 2, channels), x.dtype)
    # Without need_dx the pointer is not used; the sums' stands in for it.
    results = (int(need_dx), dx if need_dx else sums, sums)
    _kernels("rectifier_backward", chunks * channels, x, dy, *bend, channels, rows, chunks, *results)
    add_chunks(sums, dslope, dshift)
    return dx


def clip_slope(slope: Array) -> None:
    """Slopes (C,) back to [0, 1], in place."""
    _kernels("clip_slope", slope.size, slope.size, slope)


def _bend(x: Array, slope: Array | float, shift: Array | float) -> tuple:
    """(pointer, whether it is learned, number) of slope and shift; where it is a number, x stands in as pointer."""
    return tuple(
        part
        for value in (slope, shift)
        for part in ((x, 0, float(value)) if isinstance(value, float | int) else (value, 1, 0.0))
    )
