"""The adversarial losses of ``losses.py``: value and gradient of logits (N,)."""

from tinygan.array import Array, array_module
from tinygan.ops.cuda.launch import Kernels

_kernels = Kernels("losses")


def binary_cross_entropy(logits: Array, target: int) -> tuple[Array, Array]:
    return _loss("binary_cross_entropy", logits, float(1 - 2 * target))


def least_squares(logits: Array, target: int) -> tuple[Array, Array]:
    return _loss("least_squares", logits, int(target))


def record_losses(d_real: Array, d_fake: Array, g: Array, row: Array, rows: Array) -> None:
    _kernels("record_losses", 1, d_real, d_fake, g, row, rows)


def _loss(kernel: str, logits: Array, which: float | int) -> tuple[Array, Array]:
    xp = array_module(logits)
    terms, gradient = xp.empty_like(logits), xp.empty_like(logits)
    _kernels(kernel, logits.size, logits, which, logits.size, terms, gradient)
    mean = xp.empty((), logits.dtype)
    _kernels("mean_of_terms", 1, terms, logits.size, mean)
    return mean, gradient
