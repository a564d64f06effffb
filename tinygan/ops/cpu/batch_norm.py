"""Batch norm's passes on the CPU's cores, each block read and written once."""

import numpy as np

from tinygan.array import Array
from tinygan.ops.cpu.blocks import as_rows, block_count, column_sums, for_each_block, tile_channels, total_by_channel
from tinygan.ops.cpu.sums import channel_sum
from tinygan.runtime.scratch import scratch


def batch_statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    M = x.size // x.shape[-1]
    mean = channel_sum(x) / M
    return mean, _centred_products(x, mean, None) / M


def batch_norm(x: np.ndarray, mean: Array, r: Array, scale: Array, shift: Array) -> np.ndarray:
    y, rows = np.empty(x.shape, x.dtype), as_rows(x)
    mean, factor, shift = (tile_channels(values, rows) for values in (mean, r * scale, shift))

    def work(_: int, block: slice) -> None:
        part = as_rows(y)[block]
        np.subtract(rows[block], mean, out=part)
        part *= factor
        part += shift

    for_each_block(rows.shape, work)
    return y


def batch_norm_sums(x: np.ndarray, dy: np.ndarray, mean: np.ndarray, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return channel_sum(dy), _centred_products(x, mean, dy) * r


def batch_norm_backward(x: np.ndarray, dy: np.ndarray, mean: Array, a: Array, b: Array, c: Array) -> np.ndarray:
    dx, rows, dy_rows = np.empty(x.shape, x.dtype), as_rows(x), as_rows(dy)
    mean, a, b, c = (tile_channels(values, rows) for values in (mean, a, b, c))

    def work(_: int, block: slice) -> None:
        part = np.subtract(rows[block], mean, out=scratch(rows[block].shape, x.dtype))
        part *= b
        part += c
        out = np.multiply(dy_rows[block], a, out=as_rows(dx)[block])
        out -= part

    for_each_block(rows.shape, work)
    return dx


def _centred_products(x: np.ndarray, mean: Array, other: np.ndarray | None) -> np.ndarray:
    """Σ (x − mean)·other per channel, (C,); Σ (x − mean)² if ``other`` is None."""
    rows = as_rows(x)
    mean = tile_channels(mean, rows)
    factors = None if other is None else as_rows(other)
    parts = np.empty((block_count(*rows.shape), rows.shape[1]), x.dtype)

    def work(k: int, block: slice) -> None:
        part = np.subtract(rows[block], mean, out=scratch(rows[block].shape, x.dtype))
        part *= part if factors is None else factors[block]
        parts[k] = column_sums(part)

    for_each_block(rows.shape, work)
    return total_by_channel(parts, x.shape[-1])
