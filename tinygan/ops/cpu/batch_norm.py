"""Batch norm's passes on the CPU's cores, each block read and written once."""

import numpy as np

from tinygan.array import Array
from tinygan.ops.cpu.blocks import as_rows, block_count, for_each_block, sum_by_channel, tile_channels
from tinygan.ops.reference import added
from tinygan.ops.window import TwoGradients
from tinygan.runtime.scratch import aligned, scratch


def batch_statistics(x: Array) -> tuple[Array, Array]:
    # Deviations are taken from each block's own mean m, so that memory is read once. With blocks of n values and sums q
    # of squared deviations, M·mean = Σ n·m and M·variance = Σ (q + n·(m − mean)²).
    rows, C = as_rows(x), x.shape[-1]
    n = np.empty((block_count(*rows.shape), 1), x.dtype)
    m, q = (np.empty((len(n), C), x.dtype) for _ in "mq")

    def work(k: int, block: slice) -> None:
        part = rows[block]
        n[k] = part.size // C
        m[k] = sum_by_channel(part, C) / n[k]
        part = np.subtract(part, tile_channels(m[k], rows), out=scratch(part.shape, x.dtype))
        part *= part
        q[k] = sum_by_channel(part, C)

    for_each_block(*rows.shape, work)
    M = x.size // C
    mean = (n * m).sum(axis=0) / M
    return mean, (q + n * (m - mean) ** 2).sum(axis=0) / M


def batch_norm(x: Array, mean: Array, r: Array, scale: Array, shift: Array) -> Array:
    y, rows = aligned(x.shape, x.dtype), as_rows(x)
    mean, factor, shift = (tile_channels(values, rows) for values in (mean, r * scale, shift))

    def work(_: int, block: slice) -> None:
        part = as_rows(y)[block]
        np.subtract(rows[block], mean, out=part)
        part *= factor
        part += shift

    for_each_block(*rows.shape, work)
    return y


def batch_norm_sums(x: Array, dy: Array, mean: Array, r: Array, totals: TwoGradients = (None, None)) -> TwoGradients:
    rows, dy_rows, C = as_rows(x), as_rows(dy), x.shape[-1]
    means = tile_channels(mean, rows)
    parts = np.empty((2, block_count(*rows.shape), C), x.dtype)

    def work(k: int, block: slice) -> None:
        parts[0, k] = sum_by_channel(dy_rows[block], C)
        part = np.subtract(rows[block], means, out=scratch(rows[block].shape, x.dtype))
        part *= dy_rows[block]
        parts[1, k] = sum_by_channel(part, C)

    for_each_block(*rows.shape, work)
    sums = parts[0].sum(axis=0), parts[1].sum(axis=0) * r
    for one, total in zip(sums, totals, strict=True):
        added(one, total)
    return sums


def batch_norm_backward(
    x: Array, dy: Array, mean: Array, r: Array, scale: Array, dshift: Array, dscale: Array, M: int
) -> Array:
    dx, rows, dy_rows, a = aligned(x.shape, x.dtype), as_rows(x), as_rows(dy), scale * r
    mean, a, b, c = (tile_channels(values, rows) for values in (mean, a, a * r * dscale / M, a * dshift / M))

    def work(_: int, block: slice) -> None:
        part = np.subtract(rows[block], mean, out=scratch(rows[block].shape, x.dtype))
        part *= b
        part += c
        out = np.multiply(dy_rows[block], a, out=as_rows(dx)[block])
        out -= part

    for_each_block(*rows.shape, work)
    return dx
