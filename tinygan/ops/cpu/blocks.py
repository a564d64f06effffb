"""Passes over large arrays on the CPU: in blocks that fit a core's cache, so that many small steps read memory once."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from tinygan.ops.reference import ceil_div
from tinygan.runtime.threads import run

BLOCK = 2**18  # Elements. Smaller blocks fit the cache better, but then the threads wait for the interpreter's lock.
SINGLE_THREAD = 2**19  # Elements. For fewer, waking the other threads takes longer than they save.
WIDE = 128  # Columns. Rows this long are not joined to longer ones.


def for_each_block(shape: tuple[int, ...], work: Callable[[int, slice], None]) -> None:
    """``work(k, block)`` for the :func:`block_count` blocks k = 0, 1, … of the rows of a (rows, columns) matrix."""
    rows, columns = shape
    height = max(1, BLOCK // columns)
    tasks = [
        partial(work, k, slice(start, min(rows, start + height))) for k, start in enumerate(range(0, rows, height))
    ]
    run(tasks, alone=rows * columns < SINGLE_THREAD)


def block_count(rows: int, columns: int) -> int:
    """How many blocks :func:`for_each_block` makes."""
    return ceil_div(rows, max(1, BLOCK // columns))


def as_rows(x: np.ndarray) -> np.ndarray:
    """Contiguous x as rows, a view: (..., C) -> (rows, C); with few channels (..., W, C) -> (rows, W·C).

    An operation with one number per channel begins anew with each row: with 64 channels that is a quarter of its time.
    """
    columns = x.shape[-1] if x.shape[-1] >= WIDE else math.prod(x.shape[-2:])
    return np.ascontiguousarray(x).reshape(-1, columns)


def tile_channels(values: np.ndarray | float, rows: np.ndarray) -> np.ndarray | float:
    """Numbers per channel, (C,), repeated for the columns of such rows; scalars pass through."""
    repeats = rows.shape[1] // np.size(values)
    return values if np.ndim(values) == 0 or repeats == 1 else np.concatenate([values] * repeats)


def column_sums(rows: np.ndarray) -> np.ndarray:
    """Sum over one block's rows, (rows, columns) -> (columns,), as a product, which is the fastest sum there is."""
    return np.ones(len(rows), rows.dtype) @ rows


def total_by_channel(parts: np.ndarray, C: int) -> np.ndarray:
    """The blocks' column sums, (blocks, columns), added in their order and by channel: (C,)."""
    columns = parts.sum(axis=0)
    return columns if len(columns) == C else columns.reshape(-1, C).sum(axis=0)
