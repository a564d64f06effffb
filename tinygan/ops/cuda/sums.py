"""Sums over every axis but the last, as a tree with a fixed order."""

from tinygan.array import Array, array_module
from tinygan.ops.cuda.launch import BLOCK, launch
from tinygan.ops.reference import ceil_div

FAN_IN = 32  # values that a thread adds up: few, since it waits for each
COLUMNS = 32  # of a block in the last level; BLOCK / COLUMNS threads share a column
MOST_ROWS = 512  # in the last level


def channel_sum(x: Array, total: Array | None = None) -> Array:
    sums = finish(x.reshape(-1, x.shape[-1]), total)
    return sums if total is None else total


def chunk_count(rows: int) -> int:
    """How many chunks the sum over ``rows`` is divided into first."""
    return ceil_div(rows, FAN_IN)


def finish(sums: Array, first: Array | None = None, second: Array | None = None) -> Array:
    """The sum over the rows of ``sums``, (rows, columns) -> (columns,).

    Of two sums side by side, (rows, 2·C), one is added to ``first`` and one to ``second`` (C,) in place, where given.
    """
    xp, columns = array_module(sums), sums.shape[1]
    while len(sums) > MOST_ROWS:  # sums over every n-th row: (rows, C) -> (chunks, C)
        rows, chunks = len(sums), chunk_count(len(sums))
        partial = xp.empty((chunks, columns), sums.dtype)
        launch("sums", "column_sums", partial.size, sums, rows, columns, chunks, partial)
        sums = partial
    out = xp.empty(columns, sums.dtype)
    split = next((len(total) for total in (first, second) if total is not None), columns)
    # The kernel does not use the pointer of a total that is not given: any array will do.
    totals = (part for total in (first, second) for part in (int(total is not None), out if total is None else total))
    launch("sums", "finish_sums", ceil_div(columns, COLUMNS) * BLOCK, sums, len(sums), columns, split, *totals, out)
    return out
