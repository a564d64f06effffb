"""Batch norm on the last axis, the formulas of ``layers/batchnorm.py``: x and y (..., C), everything else (C,)."""

from tinygan.backend import Array, array_module
from tinygan.gpu.launch import Kernels, square_root
from tinygan.gpu.sums import add_chunks, chunk_count

_kernels = Kernels("batchnorm")


def batch_statistics(
    x: Array, running_mean: Array, running_var: Array, momentum: float, epsilon: float
) -> tuple[Array, Array]:
    """(mean, 1/√(var + ε)) of the batch; moves the running statistics towards it (variance with M − 1)."""
    xp, channels = array_module(x), x.shape[-1]
    rows = x.size // channels
    chunks = square_root(rows)
    means, squares = xp.empty((2, chunks, channels), x.dtype)
    mean, inverse_std = xp.empty((2, channels), x.dtype)
    _kernels("bn_chunk_statistics", means.size, x, rows, channels, chunks, means, squares)
    sizes = (rows, channels, chunks, float(momentum), float(epsilon))
    _kernels("bn_merge_statistics", channels, means, squares, *sizes, mean, inverse_std, running_mean, running_var)
    return mean, inverse_std


def normalise_batch(x: Array, mean: Array, inverse_std: Array, scale: Array, shift: Array) -> Array:
    """y = scale·(x − mean)·inverse_std + shift."""
    y = array_module(x).empty_like(x)
    _kernels("bn_normalise", x.size, x, mean, inverse_std, scale, shift, x.shape[-1], x.size, y)
    return y


def batch_norm_backward(
    x: Array,
    dy: Array,
    mean: Array,
    inverse_std: Array,
    scale: Array,
    training: bool,
    dscale: Array | None = None,
    dshift: Array | None = None,
    need_dx: bool = True,
) -> Array | None:
    """dx; adds to ``dscale`` and ``dshift`` where they are given.

    Args:
        training: whether mean and inverse_std are the batch's own, which move with x.
    """
    xp, channels = array_module(x), x.shape[-1]
    rows = x.size // channels
    own_shift, own_scale = xp.zeros((2, channels), x.dtype)
    if training or dscale is not None:
        chunks = chunk_count(rows)
        sums = xp.empty((chunks, 2, channels), x.dtype)
        _kernels("bn_chunk_gradients", chunks * channels, x, dy, mean, inverse_std, rows, channels, chunks, sums)
        add_chunks(sums, own_shift, own_scale)
    if dscale is not None:
        dshift += own_shift
        dscale += own_scale
    if not need_dx:
        return None
    dx = xp.empty_like(x)
    inputs = (x, dy, mean, inverse_std, scale, own_shift, own_scale, int(training))
    _kernels("bn_input_gradient", x.size, *inputs, rows, channels, x.size, dx)
    return dx
