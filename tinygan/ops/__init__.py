"""The operations on arrays that all layers, losses and optimisers are made of: this page is the whole instruction set.

Three implementations stand behind it, with the same names and signatures:

    reference.py   every operation as its formula, on NumPy and CuPy alike
    cpu/           the same on the CPU's cores: blocked passes, tiled convolutions
    cuda/          the same as kernels (.cu) beside the functions that launch them

An operation looks at its first array: a NumPy array goes to ``cpu/``, a CuPy array to ``cuda/``; after
``use("reference")`` both go to the formulas (``dispatch.py``). Axis letters: N images, H×W pixels, C channels (K of a
convolution's other side), M values per channel. Results are new arrays unless a docstring says "in place".

>>> y, backward = correlate(np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 1)), Window((2, 2), (1, 1), (0, 0)))
>>> y[0, :, :, 0]
array([[4., 4.],
       [4., 4.]])
>>> dx, dw = backward(np.ones_like(y))
>>> dx[0, :, :, 0]
array([[1., 2., 1.],
       [2., 4., 2.],
       [1., 2., 1.]])
"""

from collections.abc import Callable

import numpy as np

from tinygan.array import Array
from tinygan.ops.dispatch import IMPLEMENTATIONS, OPERATIONS, implementation, operation, use
from tinygan.ops.window import Bilinear, Kernels, TwoGradients, Window


@operation
def matmul(a: Array, b: Array, total: Array | None = None) -> Array:
    """a·b, (M, K), (K, N) -> (M, N); with ``total`` (M, N) added to it in place, and ``total`` is returned."""


@operation
def correlate(x: Array, w: Array, window: Window, b: Array | None = None, frozen: Kernels | None = None) -> Bilinear:
    """Convolution as deep-learning libraries define it: y = U(x)·w + b, U(x) being the patches of x as rows.

    y[n,i,j,k] = Σ x[n, i·stride + u − pad, j·stride + v − pad, c]·w[u,v,c,k] + b[k] over u, v, c; x is 0 outside.
    x (N, H, W, C), w (kh, kw, C, K), b (K,), y (N, H', W', K).

    Also returns ``backward(dy, need_dx=True, need_dw=True, total=None) -> (dx, dw)``: dx = Uᵀ(dy·wᵀ), dw = U(x)ᵀ·dy,
    which is added to ``total`` in place if that is given. It keeps the patches U(x), or what stands for them in a
    faster algorithm. ``frozen`` is a dict for one ``w`` that never changes: what is made of w alone is kept in it from
    call to call, and ``backward`` gives dx only.
    """


@operation
def correlate_transpose(
    x: Array, w: Array, window: Window, b: Array | None = None, frozen: Kernels | None = None
) -> Bilinear:
    """Transposed convolution, the adjoint of :func:`correlate` in x with the same kernel array: y = Uᵀ(x·wᵀ) + b.

    x (N, H', W', K), w (kh, kw, C, K), b (C,), y (N, H, W, C) with H = (H' − 1)·stride + kh − 2·pad.

    ``backward``: dx = U(dy)·w, dw = U(dy)ᵀ·x. It keeps x. ``frozen`` as in :func:`correlate`.
    """


@operation
def weight_norm(w: Array, axis: int, k: float, epsilon: float) -> tuple[Array, Callable[[Array, Array], None]]:
    """v = w/n with n² = k·Σw² + ε, one n per channel; Σ runs over all axes of w but ``axis``, the output channels'.

    Also returns ``add_gradient(dv, dw)``, which adds (dv − k·v·s)/n to dw in place, s = Σ dv·v over the same axes:
    dv with its component along w removed. It reads w again, so it must run before w is updated.
    """


@operation
def channel_dot(a: Array, b: Array, axis: int, total: Array | None = None) -> Array:
    """Σ a·b over every axis but ``axis``, (channels,), added to ``total`` in place if given; a and b of one shape."""


@operation
def channel_sum(x: Array, total: Array | None = None) -> Array:
    """Σ x over every axis but the last, (..., C) -> (C,), added to ``total`` in place if given."""


@operation
def rectify(x: Array, slope: Array | float, shift: Array | float) -> Array:
    """y = x where x ≥ b, else b + a·(x − b), with slope a and shift b one per channel (C,) or a number; x (..., C)."""


@operation
def rectify_backward(
    x: Array, dy: Array, slope: Array | float, shift: Array | float, need_dx: bool, totals: TwoGradients = (None, None)
) -> Array | None:
    """dx = dy where x ≥ b, else a·dy; None unless ``need_dx``.

    In place, the totals that are given: da += Σ dy·(x − b) and db += Σ dy·(1 − a), both over x < b, (C,).
    """


@operation
def sigmoid(x: Array) -> Array:
    """σ(x) = 1/(1 + e⁻ˣ), with full relative precision for x ≪ 0 too; any shape."""


@operation
def sigmoid_backward(y: Array, dy: Array) -> Array:
    """dx = dy·y·(1 − y), from the output y = σ(x)."""


@operation
def batch_statistics(x: Array) -> tuple[Array, Array]:
    """Mean and variance per channel, (C,) each: Σx/M and Σ(x − mean)²/M over the M values of a channel; x (..., C)."""


@operation
def update_statistics(
    running_mean: Array, running_var: Array, mean: Array, var: Array, correction: float, momentum: float
) -> None:
    """In place: running_mean += momentum·(mean − running_mean), and with correction·var for running_var; (C,) each."""


@operation
def batch_norm(x: Array, mean: Array, r: Array, scale: Array, shift: Array) -> Array:
    """y = scale·(x − mean)·r + shift; x (..., C), all others (C,), r being 1/√(var + ε)."""


@operation
def batch_norm_sums(x: Array, dy: Array, mean: Array, r: Array, totals: TwoGradients = (None, None)) -> TwoGradients:
    """Σ dy and Σ dy·(x − mean)·r per channel, (C,) each: the gradients of shift and scale; added to totals given."""


@operation
def batch_norm_backward(
    x: Array, dy: Array, mean: Array, r: Array, scale: Array, dshift: Array, dscale: Array, M: int
) -> Array:
    """dx = a·dy − (a·r·dscale/M)·(x − mean) − a·dshift/M with a = scale·r, M values per channel and their sums (C,)."""


@operation
def binary_cross_entropy(logits: Array, target: int) -> tuple[Array, Array]:
    """Mean of softplus(s·l), s = 1 − 2·target, a 0-d array, and its gradient s·σ(s·l)/N; logits (N,), target 0 or 1."""


@operation
def least_squares(logits: Array, target: int) -> tuple[Array, Array]:
    """Mean of (p − target)², p = σ(l), a 0-d array, and its gradient 2·(p − target)·p·(1 − p)/N; logits (N,)."""


@operation
def chain_losses(logits: Array, loss: str, share: float, floor: float) -> tuple[tuple[Array, ...], Array, Array]:
    """(d_real, d_fake, g), 0-d, of logits (2·N,) of N generated, then N real images, by "bce" or "least-squares".

    Then the gradients of d_fake, at least ``floor``, and d_real, (2·N,), and g's over d_fake's, (N,); times share.
    """


@operation
def rmsprop(
    w: Array, g: Array, a: Array, learning_rate: Array | float, decay: float, epsilon: float, bounded: int = 0
) -> None:
    """In place: a ← decay·a + (1 − decay)·g², w ← w − learning_rate·g/(√a + ε), g ← 0; flat vectors (P,).

    Then the first ``bounded`` values of w are clipped to [0, 1].
    """


@operation
def add_up(total: Array, others: list[Array]) -> None:
    """In place: total += every one of ``others``, in their order, and these become 0; vectors (P,)."""


@operation
def gather_images(images: Array, places: Array, size: tuple[int, int], dtype: np.dtype) -> Array:
    """Windows of ``size`` (h, w) out of bytes, in [0, 1]: uint8 (M, H, W, 3) -> ``dtype`` (N, h, w, 3).

    ``places`` int64 (N, 4): for each image its row in ``images``, the window's top and left, and 1 to mirror it.
    """


@operation
def record_losses(d_real: Array, d_fake: Array, g: Array, row: Array, rows: Array) -> None:
    """In place: rows[row] = (d_real, d_fake, g); rows (R, 3), the others 0-d, ``row`` int64, read when it runs."""


__all__ = ["IMPLEMENTATIONS", "OPERATIONS", "Bilinear", "Window", "implementation", "use", *OPERATIONS]
