"""The operations that are one kernel each: sigmoid, losses, RMSProp, and what gathers images and records losses."""

import numpy as np

from tinygan.array import Array, array_module
from tinygan.ops.cuda.launch import BLOCK, launch

SQUARES = {"bce": 0, "least-squares": 1}


def sigmoid(x: Array) -> Array:
    y = array_module(x).empty_like(x)
    launch("sigmoid", "sigmoid_forward", x.size, x, x.size, y)
    return y


def sigmoid_backward(y: Array, dy: Array) -> Array:
    dx = array_module(y).empty_like(y)
    launch("sigmoid", "sigmoid_backward", y.size, y, dy, y.size, dx)
    return dx


def binary_cross_entropy(logits: Array, target: int) -> tuple[Array, Array]:
    return _mean_loss("bce", logits, target)


def least_squares(logits: Array, target: int) -> tuple[Array, Array]:
    return _mean_loss("least-squares", logits, target)


def _mean_loss(loss: str, logits: Array, target: int) -> tuple[Array, Array]:
    xp = array_module(logits)
    gradient, mean = xp.empty_like(logits), xp.empty((), logits.dtype)
    # One block: its threads wait for each other.
    launch("losses", "mean_loss", BLOCK, logits, SQUARES[loss], int(target), logits.size, gradient, mean)
    return mean, gradient


def chain_losses(logits: Array, loss: str, share: float, floor: float) -> tuple[tuple[Array, ...], Array, Array]:
    xp, N = array_module(logits), len(logits) // 2
    seed, ratio, means = (xp.empty(count, logits.dtype) for count in (2 * N, N, 3))
    launch("losses", "chain_losses", BLOCK, logits, SQUARES[loss], float(share), float(floor), N, seed, ratio, means)
    return tuple(means), seed, ratio


def rmsprop(
    w: Array, g: Array, a: Array, learning_rate: Array | float, decay: float, epsilon: float, bounded: int = 0
) -> None:
    if isinstance(learning_rate, float | int | np.generic):
        learning_rate = array_module(w).full((), learning_rate, w.dtype)
    numbers = (float(decay), float(1 - decay), float(epsilon))
    # w last: the argument whose type the kernel is compiled for.
    launch("rmsprop", "rmsprop", w.size, g, a, learning_rate, *numbers, bounded, w.size, w)


def gather_images(images: Array, places: Array, size: tuple[int, int], dtype: np.dtype) -> Array:
    out = array_module(images).empty((len(places), *size, 3), dtype)
    launch("gather", "gather_images", out.size, images, places, out.size, out, **constants(images.shape[1:3], size))
    return out


def constants(of_set: tuple[int, int], size: tuple[int, int]) -> dict[str, int]:
    """What the compiler is told: (H, W) of the set's images and (h, w) of the windows."""
    return dict(zip(("SET_HEIGHT", "SET_WIDTH", "HEIGHT", "WIDTH"), (*of_set, *size), strict=True))


def record_losses(d_real: Array, d_fake: Array, g: Array, row: Array, rows: Array) -> None:
    launch("losses", "record_losses", 1, d_real, d_fake, g, row, rows)
