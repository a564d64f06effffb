"""Every operation of :mod:`tinygan.ops` as its formula, in plain array code that runs on NumPy and CuPy alike.

Written to be read. ``train.py --ops reference`` runs the whole program on this page, and every fast version is
tested against it. What each operation computes, with shapes, is said on the page of ``tinygan/ops/__init__.py``.
"""

from collections.abc import Callable

import numpy as np

from tinygan.array import Array, array_module
from tinygan.ops.window import Bilinear, Kernels, TwoGradients, Window

Pair = tuple[int, int]


def matmul(a: Array, b: Array, total: Array | None = None) -> Array:
    return added(a @ b, total)


def correlate(x: Array, w: Array, window: Window, b: Array | None = None, frozen: Kernels | None = None) -> Bilinear:
    shape, K = x.shape, w.shape[3]  # backward shall not keep x itself
    patches, matrix = unfold(x, window), w.reshape(-1, K)
    y = (patches @ matrix).reshape(len(x), *window.positions(x.shape[1:3]), K)
    if b is not None:
        y = y + b

    def backward(dy: Array, need_dx: bool = True, need_dw: bool = True, total: Array | None = None) -> TwoGradients:
        rows = dy.reshape(-1, K)
        dx = fold(rows @ matrix.T, window, shape) if need_dx else None
        dw = added((patches.T @ rows).reshape(w.shape), total) if need_dw else None
        return dx, dw

    return y, backward


def correlate_transpose(
    x: Array, w: Array, window: Window, b: Array | None = None, frozen: Kernels | None = None
) -> Bilinear:
    C, K = w.shape[2:]
    rows, matrix = x.reshape(-1, K), w.reshape(-1, K)
    y = fold(rows @ matrix.T, window, (len(x), *window.image_size(x.shape[1:3]), C))
    if b is not None:
        y = y + b

    def backward(dy: Array, need_dx: bool = True, need_dw: bool = True, total: Array | None = None) -> TwoGradients:
        patches = unfold(dy, window)
        dx = (patches @ matrix).reshape(x.shape) if need_dx else None
        dw = added((patches.T @ rows).reshape(w.shape), total) if need_dw else None
        return dx, dw

    return y, backward


def unfold(image: Array, window: Window) -> Array:
    """U: every patch that the kernel sees as a row, (N, H, W, C) -> (N·H'·W', kh·kw·C).

    Row (n, i, j) holds image[n, i·stride : i·stride + kh, j·stride : j·stride + kw, :] of the zero-padded image. One
    copy, from a strided view in which the patches overlap; a view of ``image`` where they already are rows.
    """
    (kh, kw), (sh, sw), pad = window
    N, H, W, C = image.shape
    rows, columns = window.positions((H, W))
    padded = zero_pad(image, pad)
    n, h, w, c = padded.strides
    patches = array_module(image).lib.stride_tricks.as_strided(
        padded, (N, rows, columns, kh, kw, C), (n, h * sh, w * sw, h, w, c)
    )
    return patches.reshape(N * rows * columns, kh * kw * C)


def fold(patches: Array, window: Window, image_shape: tuple[int, int, int, int]) -> Array:
    """Uᵀ, the adjoint of :func:`unfold`: every patch is added back to where it came from; other pixels are 0.

    (N·H'·W', kh·kw·C) -> (N, H, W, C). Patches overlap, but a block of stride×stride taps does not: over all patches
    it tiles the image. So the kernel is taken block by block, each one strided addition (four for a 4×4 kernel with
    stride 2), in a fixed order. A kernel over the whole image has one patch: then the result is a view of ``patches``.
    """
    (kh, kw), (sh, sw), (ph, pw) = window
    N, H, W, C = image_shape
    if (kh, kw, ph, pw) == (H, W, 0, 0):
        return patches.reshape(image_shape)
    rows, columns = window.positions((H, W))
    patches = patches.reshape(N, rows, columns, kh, kw, C)
    tiles = ceil_div(H + 2 * ph, sh), ceil_div(W + 2 * pw, sw)
    padded = array_module(patches).zeros((N, tiles[0], sh, tiles[1], sw, C), patches.dtype)
    for i in range(0, kh, sh):
        for j in range(0, kw, sw):
            block = patches[:, :, :, i : i + sh, j : j + sw].transpose(0, 1, 3, 2, 4, 5)  # (N, H', ≤sh, W', ≤sw, C)
            top, left = i // sh, j // sw
            target = padded[:, top : top + rows, : block.shape[2], left : left + columns, : block.shape[4]]
            target += block  # a view; CuPy would copy it onto itself after `padded[...] += block`
    return padded.reshape(N, tiles[0] * sh, tiles[1] * sw, C)[:, ph : ph + H, pw : pw + W]


def zero_pad(image: Array, pad: Pair) -> Array:
    """Zeros around the image: (N, H, W, C) -> (N, H + 2·ph, W + 2·pw, C), contiguous; itself, if pad is 0."""
    xp, (ph, pw), (N, H, W, C) = array_module(image), pad, image.shape
    if ph == pw == 0:
        return xp.ascontiguousarray(image)
    padded = xp.zeros((N, H + 2 * ph, W + 2 * pw, C), image.dtype)
    padded[:, ph : ph + H, pw : pw + W] = image
    return padded


def weight_norm(w: Array, axis: int, k: float, epsilon: float) -> tuple[Array, Callable[[Array, Array], None]]:
    axes = tuple(other for other in range(w.ndim) if other != axis)
    n = array_module(w).sqrt(k * (w * w).sum(axis=axes, keepdims=True) + epsilon)
    v = w / n

    def add_gradient(dv: Array, dw: Array) -> None:
        s = (dv * v).sum(axis=axes, keepdims=True)
        dw += (dv - k * v * s) / n

    return v, add_gradient


def channel_dot(a: Array, b: Array, axis: int, total: Array | None = None) -> Array:
    return added((a * b).sum(axis=tuple(other for other in range(a.ndim) if other != axis)), total)


def channel_sum(x: Array, total: Array | None = None) -> Array:
    return added(x.sum(axis=tuple(range(x.ndim - 1))), total)


def rectify(x: Array, slope: Array | float, shift: Array | float) -> Array:
    xp = array_module(x)
    if isinstance(slope, float | int) and slope == 0:  # 0·(x − b) is not 0 for an infinite x
        return xp.maximum(x, shift)
    return xp.where(x < shift, shift + slope * (x - shift), x)


def rectify_backward(
    x: Array, dy: Array, slope: Array | float, shift: Array | float, need_dx: bool, totals: TwoGradients = (None, None)
) -> Array | None:
    below, (dslope, dshift) = x < shift, totals
    if dslope is not None:
        dslope += channel_sum(dy * array_module(x).minimum(x - shift, 0))
    if dshift is not None:
        dshift += (1 - slope) * channel_sum(dy * below)
    return array_module(x).where(below, slope * dy, dy) if need_dx else None


def sigmoid(x: Array) -> Array:
    with np.errstate(over="ignore"):  # where e⁻ˣ overflows, σ is 0
        return 1 / (1 + array_module(x).exp(-x))


def sigmoid_backward(y: Array, dy: Array) -> Array:
    return dy * (y * (1 - y))


def batch_statistics(x: Array) -> tuple[Array, Array]:
    M = x.size // x.shape[-1]
    mean = channel_sum(x) / M
    centred = x - mean  # a difference of mean squares would cancel
    return mean, channel_sum(centred * centred) / M


def batch_norm(x: Array, mean: Array, r: Array, scale: Array, shift: Array) -> Array:
    return (x - mean) * (r * scale) + shift


def update_statistics(
    running_mean: Array, running_var: Array, mean: Array, var: Array, correction: float, momentum: float
) -> None:
    running_mean += momentum * (mean - running_mean)
    running_var += momentum * (var * correction - running_var)


def batch_norm_sums(x: Array, dy: Array, mean: Array, r: Array, totals: TwoGradients = (None, None)) -> TwoGradients:
    sums = channel_sum(dy), channel_sum(dy * (x - mean)) * r
    for one, total in zip(sums, totals, strict=True):
        added(one, total)
    return sums


def batch_norm_backward(
    x: Array, dy: Array, mean: Array, r: Array, scale: Array, dshift: Array, dscale: Array, M: int
) -> Array:
    a = scale * r
    return a * dy - a * r * dscale / M * (x - mean) - a * dshift / M


def binary_cross_entropy(logits: Array, target: int) -> tuple[Array, Array]:
    s = 1 - 2 * target
    loss = array_module(logits).logaddexp(s * logits, 0).mean()
    return loss, s * sigmoid(s * logits) / logits.size


def least_squares(logits: Array, target: int) -> tuple[Array, Array]:
    p, q = sigmoid(logits), sigmoid(-logits)  # q = 1 − p without cancellation
    error = p if target == 0 else -q
    return (error * error).mean(), 2 * error * p * q / logits.size


def chain_losses(logits: Array, loss: str, share: float, floor: float) -> tuple[tuple[Array, ...], Array, Array]:
    function, N = {"bce": binary_cross_entropy, "least-squares": least_squares}[loss], len(logits) // 2
    losses = function(logits[:N], 1), function(logits[:N], 0), function(logits[N:], 1)
    (g, g_dlogits), (d_fake, d_dlogits), (d_real, dlogits_real) = ((share * l, share * dl) for l, dl in losses)
    seed = array_module(logits).maximum(d_dlogits, floor)
    return (d_real, d_fake, g), array_module(logits).concatenate([seed, dlogits_real]), g_dlogits / seed


def rmsprop(
    w: Array, g: Array, a: Array, learning_rate: Array | float, decay: float, epsilon: float, bounded: int = 0
) -> None:
    a *= decay
    a += (1 - decay) * g * g
    w -= learning_rate * g / (array_module(a).sqrt(a) + epsilon)
    array_module(w).clip(w[:bounded], 0, 1, out=w[:bounded])
    g[...] = 0


def add_up(total: Array, others: list[Array]) -> None:
    for other in others:
        total += other
        other[...] = 0


# What a captured iteration reads and writes on the device


def gather_images(images: Array, places: Array, size: Pair, dtype: np.dtype) -> Array:
    xp, (h, w) = array_module(images), size
    row, top, left, mirrored = (places[:, k, None] for k in range(4))
    across = xp.arange(w)[None]
    y, x = top + xp.arange(h)[None], left + xp.where(mirrored > 0, w - 1 - across, across)
    return images[row[:, :, None], y[:, :, None], x[:, None, :]].astype(dtype) / 255


def record_losses(d_real: Array, d_fake: Array, g: Array, row: Array, rows: Array) -> None:
    rows[row] = array_module(rows).stack([d_real, d_fake, g])


def added(result: Array, total: Array | None) -> Array:
    """``result``; or ``total``, to which it is added in place, if there is one."""
    if total is None:
        return result
    total += result
    return total


def ceil_div(a: int, b: int) -> int:
    """⌈a/b⌉ of whole numbers."""
    return -(-a // b)
