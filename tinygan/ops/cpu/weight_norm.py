"""Weight norm on the CPU's cores: each weight is read once for its length and once to be scaled."""

from collections.abc import Callable

import numpy as np

from tinygan.ops.cpu.blocks import block_count, for_each_block
from tinygan.ops.cpu.sums import around
from tinygan.runtime.scratch import aligned, scratch


def weight_norm(
    w: np.ndarray, axis: int, k: float, epsilon: float
) -> tuple[np.ndarray, Callable[[np.ndarray, np.ndarray], None]]:
    before, channels, behind = shape = around(w, axis)
    w3 = w.reshape(shape)
    # Multiplied by, since a division takes longer than fetching what it divides.
    r = 1 / np.sqrt(k * _dot(w3, w3) + epsilon)[:, np.newaxis]
    v = aligned(w.shape, w.dtype)

    def scale(_: int, block: slice) -> None:
        np.multiply(w3[block], r, out=v.reshape(shape)[block])

    for_each_block(before, channels * behind, scale)

    def add_gradient(dv: np.ndarray, dw: np.ndarray) -> None:
        # v is not kept for this, it is w·r: a convolution that transforms its kernel can let it go.
        dv3, dw3 = dv.reshape(shape), dw.reshape(shape)
        along = k * r * r * _dot(dv3, w3)[:, np.newaxis]

        def work(_: int, block: slice) -> None:
            part = np.multiply(w3[block], along, out=scratch(w3[block].shape, w.dtype))
            np.subtract(dv3[block], part, out=part)
            np.multiply(part, r, out=part)
            dw3[block] += part

        for_each_block(before, channels * behind, work)

    return v, add_gradient


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ a·b per channel, (before, channels, behind) -> (channels,); partial sums of blocks, added in their order."""
    before, channels, behind = a.shape
    parts = np.empty((block_count(before, channels * behind), channels), a.dtype)

    def work(k: int, block: slice) -> None:
        # Both read each array once, and write nothing that is as large.
        if behind == 1:
            np.einsum("bc,bc->c", a[block, :, 0], b[block, :, 0], out=parts[k])
        else:
            np.vecdot(a[block], b[block]).sum(axis=0, out=parts[k])

    for_each_block(before, channels * behind, work)
    return parts.sum(axis=0)
