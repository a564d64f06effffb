"""Batch norm's passes over an image batch, plain, in few sweeps on the CPU's cores, and on the GPU.

x, y, dy (..., C); mean, inverse standard deviation r, scale, shift (C,); M values per channel.
"""

import numpy as np

from tinygan.array import Array, on_gpu
from tinygan.ops.cpu.blocks import as_rows, block_count, channel_sums, column_sums, for_each_block, tile_channels
from tinygan.ops.cpu.sums import sum_over_rows, sum_over_rows_plain
from tinygan.ops.cuda import batch_norm as gpu
from tinygan.runtime.threads import scratch


def moments(x: Array) -> tuple[Array, Array]:
    """Mean and variance (divided by M) per channel; the variance from centred values, which cannot cancel."""
    if on_gpu(x):
        return gpu.moments(x)
    M = x.size // x.shape[-1]
    mean = sum_over_rows(x) / M
    return mean, _sums_of_squares(x, mean) / M


def moments_plain(x: Array) -> tuple[Array, Array]:
    """The formulas of :func:`moments`, what its fast versions are tested against."""
    M = x.size // x.shape[-1]
    mean = sum_over_rows_plain(x) / M
    centred = x - mean
    return mean, sum_over_rows_plain(centred * centred) / M


def standardise(x: Array, mean: Array, r: Array, scale: Array, shift: Array) -> Array:
    """y = scale·(x − mean)·r + shift, a new array."""
    if on_gpu(x):
        return gpu.standardise(x, mean, r, scale, shift)
    y, rows = np.empty(x.shape, x.dtype), as_rows(x)
    mean, factor, shift = (tile_channels(values, rows) for values in (mean, r * scale, shift))

    def work(_: int, block: slice) -> None:
        part = as_rows(y)[block]
        np.subtract(rows[block], mean, out=part)
        part *= factor
        part += shift

    for_each_block(*rows.shape, work)
    return y


def standardise_plain(x: Array, mean: Array, r: Array, scale: Array, shift: Array) -> Array:
    """The formula of :func:`standardise`."""
    return (x - mean) * (r * scale) + shift


def standardise_sums(x: Array, dy: Array, mean: Array, r: Array) -> tuple[Array, Array]:
    """Σ dy and Σ dy·(x − mean)·r, the gradients of shift and scale."""
    if on_gpu(x):
        return gpu.standardise_sums(x, dy, mean, r)
    rows, dy_rows = as_rows(x), as_rows(dy)
    mean = tile_channels(mean, rows)
    parts = np.empty((block_count(*rows.shape), rows.shape[1]), x.dtype)

    def work(k: int, block: slice) -> None:
        part = np.subtract(rows[block], mean, out=scratch(rows[block].shape, x.dtype))
        part *= dy_rows[block]
        parts[k] = column_sums(part)

    for_each_block(*rows.shape, work)
    return sum_over_rows(dy), channel_sums(parts, x.shape[-1]) * r


def standardise_sums_plain(x: Array, dy: Array, mean: Array, r: Array) -> tuple[Array, Array]:
    """The formulas of :func:`standardise_sums`."""
    return sum_over_rows_plain(dy), sum_over_rows_plain(dy * (x - mean)) * r


def standardise_backward(x: Array, dy: Array, mean: Array, a: Array, b: Array, c: Array) -> Array:
    """dx = a·dy − b·(x − mean) − c with coefficients per channel, a new array."""
    if on_gpu(x):
        return gpu.standardise_backward(x, dy, mean, a, b, c)
    dx, rows, dy_rows = np.empty(x.shape, x.dtype), as_rows(x), as_rows(dy)
    mean, a, b, c = (tile_channels(values, rows) for values in (mean, a, b, c))

    def work(_: int, block: slice) -> None:
        part = np.subtract(rows[block], mean, out=scratch(rows[block].shape, x.dtype))
        part *= b
        part += c
        out = np.multiply(dy_rows[block], a, out=as_rows(dx)[block])
        out -= part

    for_each_block(*rows.shape, work)
    return dx


def standardise_backward_plain(x: Array, dy: Array, mean: Array, a: Array, b: Array, c: Array) -> Array:
    """The formula of :func:`standardise_backward`."""
    return a * dy - b * (x - mean) - c


def _sums_of_squares(x: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Σ (x − mean)² per channel."""
    rows = as_rows(x)
    mean = tile_channels(mean, rows)
    parts = np.empty((block_count(*rows.shape), rows.shape[1]), x.dtype)

    def work(k: int, block: slice) -> None:
        part = np.subtract(rows[block], mean, out=scratch(rows[block].shape, x.dtype))
        part *= part
        parts[k] = column_sums(part)

    for_each_block(*rows.shape, work)
    return channel_sums(parts, x.shape[-1])
