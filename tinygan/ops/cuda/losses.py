"""The adversarial losses of ``losses.py``: value and gradient of logits (N,)."""

from tinygan.array import Array, array_module
from tinygan.ops.cuda.launch import Kernels

_kernels = Kernels("losses")


def binary_cross_entropy(logits: Array, target: int) -> tuple[Array, Array]:
    """Mean of softplus(s·l) with s = 1 − 2·target, a 0-d array, and its gradient (N,)."""
    return _loss("binary_cross_entropy", logits, float(1 - 2 * target))


def least_squares(logits: Array, target: int) -> tuple[Array, Array]:
    """Mean of (σ(l) − target)², a 0-d array, and its gradient (N,)."""
    return _loss("least_squares", logits, int(target))


def record_losses(d_real: Array, d_fake: Array, g: Array, row: Array, rows: Array) -> None:
    """rows[row] = (d_real, d_fake, g); all on the device, ``row`` a 0-d int64 that is read when the kernel runs."""
    _kernels("record_losses", 1, d_real, d_fake, g, row, rows)


def _loss(kernel: str, logits: Array, which: float | int) -> tuple[Array, Array]:
    xp = array_module(logits)
    terms, gradient = xp.empty_like(logits), xp.empty_like(logits)
    _kernels(kernel, logits.size, logits, which, logits.size, terms, gradient)
    mean = xp.empty((), logits.dtype)
    _kernels("mean_of_terms", 1, terms, logits.size, mean)
    return mean, gradient
