"""Sums over every axis but the last, as a tree with a fixed order."""

from tinygan.array import Array, array_module
from tinygan.ops.cuda.launch import Kernels

FAN_IN = 32  # how many values a thread adds up: few, since it waits for each

_kernels = Kernels("sums")


def channel_sum(x: Array) -> Array:
    return total(_column_sums(x.reshape(-1, x.shape[-1])))


def chunk_count(rows: int) -> int:
    """Into how many chunks the sum over ``rows`` is divided first."""
    return -(-rows // FAN_IN)


def total(sums: Array) -> Array:
    """The sum over the chunks of ``sums`` (chunks, C), (C,); a view of it if there is only one."""
    while len(sums) > 1:
        sums = _column_sums(sums)
    return sums[0]


def _column_sums(x: Array) -> Array:
    """Sums over every n-th row: (rows, C) -> (chunks, C)."""
    rows, columns = x.shape
    sums = array_module(x).empty((chunk_count(rows), columns), x.dtype)
    _kernels("column_sums", sums.size, x, rows, columns, len(sums), sums)
    return sums
