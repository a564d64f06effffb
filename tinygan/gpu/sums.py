"""Sums over every axis but the last, as a tree with a fixed order."""

from tinygan.backend import Array, array_module
from tinygan.gpu.launch import Kernels

FAN_IN = 32  # how many values a thread adds up: few, since it waits for each

_kernels = Kernels("sums")


def add_sum_over_rows(x: Array, out: Array) -> None:
    """out += Σ x over every axis but the last: x (..., C), out (C,)."""
    add_chunks(_column_sums(x.reshape(-1, x.shape[-1])), out)


def chunk_count(rows: int) -> int:
    """Into how many chunks the sum over ``rows`` is divided first."""
    return -(-rows // FAN_IN)


def add_chunks(sums: Array, *outs: Array | None) -> None:
    """Add the sums over the chunks to ``outs``: sums (chunks, C) for one, (chunks, k, C) for k; each out (C,) or None.

    What is summed for several outputs goes through the tree together.
    """
    count = sums.shape[-1]
    sums = sums.reshape(len(sums), -1)
    while len(sums) > FAN_IN:
        sums = _column_sums(sums)
    chunks, columns = sums.shape
    for k, out in enumerate(outs):
        if out is not None:
            _kernels("add_chunks", count, sums, columns, chunks, k * count, count, out)


def _column_sums(x: Array) -> Array:
    """Sums over every n-th row: (rows, C) -> (chunks, C)."""
    rows, columns = x.shape
    sums = array_module(x).empty((chunk_count(rows), columns), x.dtype)
    _kernels("column_sums", sums.size, x, rows, columns, len(sums), sums)
    return sums
