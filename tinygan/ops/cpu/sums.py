"""Sums on the CPU's cores, block by block, the partial sums added in their order."""

import math

import numpy as np

from tinygan.ops.cpu.blocks import as_rows, block_count, column_sums, for_each_block, total_by_channel


def channel_sum(x: np.ndarray) -> np.ndarray:
    rows = as_rows(x)
    parts = np.empty((block_count(*rows.shape), rows.shape[1]), x.dtype)

    def work(k: int, block: slice) -> None:
        parts[k] = column_sums(rows[block])

    for_each_block(rows.shape, work)
    return total_by_channel(parts, x.shape[-1])


def around(w: np.ndarray, axis: int) -> tuple[int, int, int]:
    """Number of values before, along and behind ``axis``."""
    return math.prod(w.shape[:axis]), w.shape[axis], math.prod(w.shape[axis + 1 :])


def add_up(total: np.ndarray, others: list[np.ndarray]) -> None:
    def work(_: int, block: slice) -> None:
        for other in others:
            total[block] += other[block]
            other[block] = 0

    if others:
        for_each_block((len(total), 1), work)
