"""Passes over large arrays on the CPU: in blocks that fit a core's cache, so that many small steps read memory once."""

from collections.abc import Callable
from functools import partial

import numpy as np

from tinygan.threads import run

BLOCK = 2**18  # elements; smaller blocks fit a core's cache better, but the threads then wait for the interpreter
FEW = 2**19  # elements; for fewer, waking the other threads takes longer than they save


def for_each_block(rows: int, columns: int, work: Callable[[int, slice], None]) -> None:
    """``work(k, block)`` for the :func:`block_count` blocks k = 0, 1, … of the rows of a (rows, columns) matrix."""
    height = max(1, BLOCK // columns)
    tasks = [
        partial(work, k, slice(start, min(rows, start + height))) for k, start in enumerate(range(0, rows, height))
    ]
    run(tasks, alone=rows * columns < FEW)


def block_count(rows: int, columns: int) -> int:
    """How many blocks :func:`for_each_block` makes."""
    return -(-rows // max(1, BLOCK // columns))


def column_sums(x: np.ndarray) -> np.ndarray:
    """Sum over one block's rows, (rows, columns) -> (columns,), as a product, which is the fastest sum there is."""
    return np.ones(len(x), x.dtype) @ x


def matrix(x: np.ndarray) -> np.ndarray:
    """(..., C) -> (rows, C), a view of what is contiguous."""
    return np.ascontiguousarray(x).reshape(-1, x.shape[-1])
