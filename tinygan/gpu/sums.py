"""Sums over every axis but the last, in a fixed order."""

from tinygan.backend import Array, array_module
from tinygan.gpu.launch import Kernels, chunk_count

_kernels = Kernels("sums")


def add_sum_over_rows(x: Array, out: Array) -> None:
    """out += Σ x over every axis but the last: x (..., C), out (C,)."""
    columns = x.shape[-1]
    rows = x.size // columns
    chunks = chunk_count(rows)
    sums = array_module(x).empty((chunks, columns), x.dtype)
    _kernels("column_sums", sums.size, x, rows, columns, chunks, sums)
    add_chunks(sums, out)


def add_chunks(sums: Array, out: Array) -> None:
    """out (C,) += Σ over the chunks of ``sums`` (chunks, C)."""
    chunks, columns = sums.shape
    _kernels("add_chunks", columns, sums, columns, chunks, out)
