"""Weight norm on the CPU's cores: each weight is read once for its length and once to be scaled."""

import math
from collections.abc import Callable

import numpy as np

from tinygan.array import Array
from tinygan.ops.cpu.blocks import as_rows, block_count, for_each_block, require_contiguous, tile_channels
from tinygan.runtime.scratch import aligned, scratch


def weight_norm(w: Array, axis: int, k: float, epsilon: float) -> tuple[Array, Callable[[Array, Array], None]]:
    before, channels, after = shape = math.prod(w.shape[:axis]), w.shape[axis], math.prod(w.shape[axis + 1 :])
    # Weights are multiplied by 1/n, since a division takes longer than fetching what it divides.
    r = 1 / np.sqrt(k * _dot(w.reshape(shape), w.reshape(shape)) + epsilon)
    v = aligned(w.shape, w.dtype)

    def rows(x: np.ndarray) -> np.ndarray:
        return as_rows(x.reshape(before, channels * after))

    def wide(values: np.ndarray) -> np.ndarray:
        """One value per output channel, (channels,), for each column of such rows."""
        return tile_channels(np.repeat(values, after), rows(w))

    lengths = wide(r)

    def scale(_: int, block: slice) -> None:
        np.multiply(rows(w)[block], lengths, out=rows(v)[block])

    for_each_block(*rows(w).shape, scale)

    def add_gradient(dv: Array, dw: Array) -> None:
        # Written with w·r for v, which need not be kept: a convolution that transforms its kernel lets it go.
        along = wide(k * r * r * _dot(dv.reshape(shape), w.reshape(shape)))
        total = rows(require_contiguous(dw))

        def work(_: int, block: slice) -> None:
            own, given = rows(w)[block], rows(dv)[block]
            part = np.multiply(own, along, out=scratch(own.shape, w.dtype))
            np.subtract(given, part, out=part)
            np.multiply(part, lengths, out=part)
            total[block] += part

        for_each_block(*rows(w).shape, work)

    return v, add_gradient


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ a·b per channel, (before, channels, after) -> (channels,); partial sums of blocks, added in their order."""
    before, channels, after = a.shape
    parts = np.empty((block_count(before, channels * after), channels), np.result_type(a.dtype, b.dtype))

    def work(k: int, block: slice) -> None:
        # Both read each array once, and write nothing that is as large.
        if after == 1:
            np.einsum("bc,bc->c", a[block, :, 0], b[block, :, 0], out=parts[k])
        else:
            np.vecdot(a[block], b[block]).sum(axis=0, out=parts[k])

    for_each_block(before, channels * after, work)
    return parts.sum(axis=0)
