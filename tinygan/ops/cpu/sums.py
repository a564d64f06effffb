"""Sums over everything but the channels: the gradient of whatever is added to each channel."""

import numpy as np

from tinygan.array import Array, on_gpu
from tinygan.ops.cpu.blocks import as_rows, block_count, channel_sums, column_sums, for_each_block
from tinygan.ops.cuda import sums as gpu


def sum_over_rows(x: Array) -> Array:
    """Sum over every axis but the last, the channels: (..., C) -> (C,)."""
    if on_gpu(x):
        return gpu.sum_over_rows(x)
    rows = as_rows(x)
    parts = np.empty((block_count(*rows.shape), rows.shape[1]), x.dtype)

    def work(k: int, block: slice) -> None:
        parts[k] = column_sums(rows[block])

    for_each_block(*rows.shape, work)
    return channel_sums(parts, x.shape[-1])


def sum_over_rows_plain(x: Array) -> Array:
    """The formula of :func:`sum_over_rows`, what its fast versions are tested against."""
    return x.sum(axis=tuple(range(x.ndim - 1)))
