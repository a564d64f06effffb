"""Sums over everything but the channels: the gradient of whatever is added to each channel."""

import numpy as np

from tinygan.backend import Array, on_gpu
from tinygan.gpu import sums as gpu
from tinygan.ops.blocks import block_count, channel_sums, column_sums, for_each_block, matrix


def sum_over_rows(x: Array) -> Array:
    """Sum over every axis but the last, the channels: (..., C) -> (C,)."""
    if on_gpu(x):
        return gpu.sum_over_rows(x)
    rows = matrix(x)
    parts = np.empty((block_count(*rows.shape), rows.shape[1]), x.dtype)

    def work(k: int, block: slice) -> None:
        parts[k] = column_sums(rows[block])

    for_each_block(*rows.shape, work)
    return channel_sums(parts, x.shape[-1])


def sum_over_rows_plain(x: Array) -> Array:
    """The formula of :func:`sum_over_rows`, what its fast versions are tested against."""
    return x.sum(axis=tuple(range(x.ndim - 1)))
