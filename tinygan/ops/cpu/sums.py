"""Sums on the CPU's cores, block by block, the partial sums added in their order."""

import numpy as np

from tinygan.array import Array
from tinygan.ops.cpu.blocks import as_rows, block_count, for_each_block, sum_by_channel
from tinygan.ops.reference import added


def channel_sum(x: Array, total: Array | None = None) -> Array:
    rows = as_rows(x)
    parts = np.empty((block_count(*rows.shape), x.shape[-1]), x.dtype)

    def work(k: int, block: slice) -> None:
        parts[k] = sum_by_channel(rows[block], x.shape[-1])

    for_each_block(*rows.shape, work)
    return added(parts.sum(axis=0), total)


def add_up(total: Array, others: list[Array]) -> None:
    def work(_: int, block: slice) -> None:
        for other in others:
            total[block] += other[block]
            other[block] = 0

    if others:
        for_each_block(len(total), 1, work)
