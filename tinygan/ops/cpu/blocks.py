"""Passes over large arrays on the CPU, in blocks that fit a core's cache: the many steps of a pass read memory once."""

from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np

from tinygan.ops.reference import ceil_div
from tinygan.runtime.threads import run, thread_count

BLOCK = 2**16  # Elements: all that a pass reads and writes of a block stays in a core's own cache.
SHARED_BLOCK = 2**18  # Elements, where threads share the blocks: with small ones they wait for the interpreter's lock.
SINGLE_THREAD = 2**19  # Elements. For fewer, waking the other threads takes longer than they save.
ROW = 2**13  # Columns. With 4,096 or fewer, NumPy takes twice as long to broadcast one number per column.
NARROW = 16  # Channels. With fewer, long rows are summed first.


def for_each_block(rows: int, columns: int, work: Callable[[int, slice], None]) -> None:
    """``work(k, block)`` for the :func:`block_count` blocks k = 0, 1, … of the rows of a (rows, columns) matrix."""
    height = _block_height(rows, columns)
    tasks = [
        partial(work, k, slice(start, min(rows, start + height))) for k, start in enumerate(range(0, rows, height))
    ]
    run(tasks, alone=rows * columns < SINGLE_THREAD)


def block_count(rows: int, columns: int) -> int:
    """How many blocks :func:`for_each_block` makes."""
    return ceil_div(rows, _block_height(rows, columns))


def _block_height(rows: int, columns: int) -> int:
    alone = thread_count() == 1 or rows * columns < SINGLE_THREAD
    return max(1, (BLOCK if alone else SHARED_BLOCK) // columns)


def as_rows(x: np.ndarray) -> np.ndarray:
    """x as long rows, a view if it is contiguous: (..., C) -> (rows, k·C) with k as large as :data:`ROW` has room for.

    NumPy starts an operation with one number per channel anew in each row.
    """
    C = x.shape[-1]
    x = x if x.flags.c_contiguous else np.ascontiguousarray(x)
    return x.reshape(-1, C * _largest_divisor(x.size // C, ROW // C))


def require_contiguous(total: np.ndarray) -> np.ndarray:
    """``total``, which is added to through other shapes; ValueError where these would be copies."""
    if not total.flags.c_contiguous:
        raise ValueError(f"gradients are added to contiguous arrays: one of shape {total.shape} is not")
    return total


@lru_cache
def _largest_divisor(count: int, most: int) -> int:
    return max((k for k in range(2, most + 1) if count % k == 0), default=1)


def tile_channels(values: np.ndarray | float, rows: np.ndarray) -> np.ndarray | float:
    """Numbers per channel, (C,), repeated for the columns of such rows; scalars pass through."""
    repeats = rows.shape[1] // np.size(values)
    return values if np.ndim(values) == 0 or repeats == 1 else np.tile(values, repeats)


def sum_by_channel(rows: np.ndarray, C: int) -> np.ndarray:
    """Sum per channel over one block's rows, (rows, k·C) -> (C,), as a product, which is the fastest sum there is."""
    columns = C if C >= NARROW else rows.shape[1]
    sums = np.ones(rows.size // columns, rows.dtype) @ rows.reshape(-1, columns)
    return sums.reshape(-1, C).sum(axis=0)
