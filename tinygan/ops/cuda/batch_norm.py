"""Batch norm's passes: x, y, dy (..., C), everything else (C,)."""

from tinygan.array import Array, array_module
from tinygan.ops.cuda.launch import launch
from tinygan.ops.cuda.sums import chunk_count, finish
from tinygan.ops.window import TwoGradients


def batch_statistics(x: Array) -> tuple[Array, Array]:
    xp, channels = array_module(x), x.shape[-1]
    rows = x.size // channels
    chunks = max(1, round(rows**0.5))  # so that both stages of the sum are equally long
    means, squares = xp.empty((2, chunks, channels), x.dtype)
    mean, var = xp.empty((2, channels), x.dtype)
    launch("batch_norm", "chunk_moments", means.size, x, rows, channels, chunks, means, squares)
    launch("batch_norm", "merge_moments", channels, means, squares, rows, channels, chunks, mean, var)
    return mean, var


def batch_norm(x: Array, mean: Array, r: Array, scale: Array, shift: Array) -> Array:
    y = array_module(x).empty_like(x)
    launch("batch_norm", "batch_norm", x.size, x, mean, r, scale, shift, x.shape[-1], x.size, y)
    return y


def update_statistics(
    running_mean: Array, running_var: Array, mean: Array, var: Array, correction: float, momentum: float
) -> None:
    numbers = float(correction), float(momentum), mean.size
    launch("batch_norm", "update_statistics", mean.size, mean, var, *numbers, running_mean, running_var)


def batch_norm_sums(x: Array, dy: Array, mean: Array, r: Array, totals: TwoGradients = (None, None)) -> TwoGradients:
    channels = x.shape[-1]
    rows = x.size // channels
    chunks = chunk_count(rows)
    sums = array_module(x).empty((chunks, 2 * channels), x.dtype)
    launch("batch_norm", "batch_norm_sums", chunks * channels, x, dy, mean, r, rows, channels, chunks, sums)
    dshift, dscale = finish(sums, *totals).reshape(2, channels)
    return dshift, dscale


def batch_norm_backward(
    x: Array, dy: Array, mean: Array, r: Array, scale: Array, dshift: Array, dscale: Array, M: int
) -> Array:
    dx = array_module(x).empty_like(x)
    channels = mean, r, scale, dshift, dscale
    launch("batch_norm", "batch_norm_backward", x.size, x, dy, *channels, float(M), x.shape[-1], x.size, dx)
    return dx
