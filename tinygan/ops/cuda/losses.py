"""The adversarial losses of ``losses.py``: value and gradient of logits (N,)."""

from tinygan.array import Array, array_module
from tinygan.ops.cuda.launch import BLOCK, launch

SQUARES = {"bce": 0, "least-squares": 1}


def binary_cross_entropy(logits: Array, target: int) -> tuple[Array, Array]:
    return _mean_loss("bce", logits, target)


def least_squares(logits: Array, target: int) -> tuple[Array, Array]:
    return _mean_loss("least-squares", logits, target)


def chain_losses(logits: Array, loss: str, share: float, floor: float) -> tuple[tuple[Array, ...], Array, Array]:
    xp, N = array_module(logits), len(logits) // 2
    seed, ratio, means = (xp.empty(count, logits.dtype) for count in (2 * N, N, 3))
    launch("losses", "chain_losses", BLOCK, logits, SQUARES[loss], float(share), float(floor), N, seed, ratio, means)
    return tuple(means), seed, ratio


def record_losses(d_real: Array, d_fake: Array, g: Array, row: Array, rows: Array) -> None:
    launch("losses", "record_losses", 1, d_real, d_fake, g, row, rows)


def _mean_loss(loss: str, logits: Array, target: int) -> tuple[Array, Array]:
    xp = array_module(logits)
    gradient, mean = xp.empty_like(logits), xp.empty((), logits.dtype)
    # One block: its threads wait for each other.
    launch("losses", "mean_loss", BLOCK, logits, SQUARES[loss], int(target), logits.size, gradient, mean)
    return mean, gradient
