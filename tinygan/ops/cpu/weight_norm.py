"""Weights scaled to length one per output channel, and the gradient of that, plain, on the CPU's cores, and on the GPU.

    v = w/n  with  n² = k·Σw² + ε,   Σ over all axes of w but the output channel's.

Backward, with s = Σ dv·v over the same axes: dw = (dv − k·v·s)/n. That is dv with its component along w taken out:
Σ w·dw = (ε/n²)·s, so with ε = 0 the gradient is orthogonal to the weight.
"""

import math
from collections.abc import Callable

import numpy as np

from tinygan.array import Array, array_module, on_gpu
from tinygan.ops.cpu.blocks import block_count, for_each_block
from tinygan.ops.cuda import weight_norm as gpu
from tinygan.runtime.threads import scratch

Accumulate = Callable[[Array, Array], None]  # (dv, total): total += dw; total contiguous


def normalise(w: Array, axis: int, k: float, epsilon: float) -> tuple[Array, Accumulate]:
    """v, a new array of w's shape, and ``accumulate``; ``axis`` is that of the output channels.

    ``accumulate`` may read w again: to be called before w is updated.
    """
    if on_gpu(w):
        return gpu.normalise(w, axis, k, epsilon)
    return _normalise_on_cores(w, axis, k, epsilon)


def normalise_plain(w: Array, axis: int, k: float, epsilon: float) -> tuple[Array, Accumulate]:
    """The formulas of :func:`normalise`, what its fast versions are tested against."""
    axes = tuple(other for other in range(w.ndim) if other != axis)
    n = array_module(w).sqrt(k * (w * w).sum(axis=axes, keepdims=True) + epsilon)
    v = w / n

    def accumulate(dv: Array, total: Array) -> None:
        s = (dv * v).sum(axis=axes, keepdims=True)
        total += (dv - k * v * s) / n

    return v, accumulate


def sums_of_products(a: Array, b: Array, axis: int) -> Array:
    """Σ a·b over every axis but ``axis``."""
    if on_gpu(a):
        return gpu.sums_of_products(a, b, axis)
    return (a * b).sum(axis=tuple(other for other in range(a.ndim) if other != axis))


def _normalise_on_cores(w: np.ndarray, axis: int, k: float, epsilon: float) -> tuple[np.ndarray, Accumulate]:
    shape = math.prod(w.shape[:axis]), w.shape[axis], math.prod(w.shape[axis + 1 :])  # (before, channels, behind)
    # Multiplied by, since a division takes longer than fetching what it divides.
    r = 1 / np.sqrt(k * _sums_of_products(w.reshape(shape), w.reshape(shape)) + epsilon)[:, np.newaxis]
    v = np.empty_like(w)

    def scale(_: int, block: slice) -> None:
        np.multiply(w.reshape(shape)[block], r, out=v.reshape(shape)[block])

    for_each_block(shape[0], shape[1] * shape[2], scale)

    def accumulate(dv: np.ndarray, total: np.ndarray) -> None:
        # v is not kept for this, it is w·r: a convolution that brings it into another form can let it go.
        dv3, w3, total3 = dv.reshape(shape), w.reshape(shape), total.reshape(shape)
        along = k * r * r * _sums_of_products(dv3, w3)[:, np.newaxis]

        def work(_: int, block: slice) -> None:
            part = np.multiply(w3[block], along, out=scratch(w3[block].shape, w.dtype))
            np.subtract(dv3[block], part, out=part)
            np.multiply(part, r, out=part)
            total3[block] += part

        for_each_block(shape[0], shape[1] * shape[2], work)

    return v, accumulate


def _sums_of_products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
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
