"""Sums over every axis but the last, as a tree with a fixed order."""

from tinygan.array import Array, array_module
from tinygan.ops.cuda.launch import BLOCK, launch

FAN_IN = 32  # how many values a thread adds up: few, since it waits for them
COLUMNS = 32  # of a block in the last level, whose threads share a column
MOST_ROWS = 512  # of the last level


def channel_sum(x: Array, total: Array | None = None) -> Array:
    sums = finish(x.reshape(-1, x.shape[-1]), total)
    return sums if total is None else total


def chunk_count(rows: int) -> int:
    """Into how many chunks the sum over ``rows`` is divided first."""
    return -(-rows // FAN_IN)


def finish(sums: Array, first: Array | None = None, second: Array | None = None) -> Array:
    """The sum over the rows of ``sums`` (rows, C), (C,), or of (rows, 2·C), (2·C,), which is two times C values.

    The C values, and the others, are added to ``first`` and ``second`` (C,) in place, if these are given.
    """
    xp, columns = array_module(sums), sums.shape[1]
    while len(sums) > MOST_ROWS:  # sums over every n-th row: (rows, C) -> (chunks, C)
        rows, chunks = len(sums), chunk_count(len(sums))
        partial = xp.empty((chunks, columns), sums.dtype)
        launch("sums", "column_sums", partial.size, sums, rows, columns, chunks, partial)
        sums = partial
    out = xp.empty(columns, sums.dtype)
    split = next((len(total) for total in (first, second) if total is not None), columns)
    # Without a total the pointer is not used; the sums' own stands in for it.
    totals = (part for total in (first, second) for part in (int(total is not None), out if total is None else total))
    launch("sums", "finish_sums", -(-columns // COLUMNS) * BLOCK, sums, len(sums), columns, split, *totals, out)
    return out
