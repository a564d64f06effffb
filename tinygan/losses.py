"""Losses: each returns its value, a scalar that stays on the device, and its gradient in the same call.

The adversarial losses take D's logits and a target, 1 for "real" and 0 for "generated"; G's non-saturating loss is that
of its images with target 1 (Goodfellow et al. 2014, arXiv 1406.2661). Probabilities are never formed where they could
round to 0 or 1.
"""

import numpy as np

from tinygan import ops
from tinygan.array import Array
from tinygan.errors import Choices, InputError
from tinygan.layers.base import described


def binary_cross_entropy(logits: Array, target: int) -> tuple[Array, Array]:
    """Mean of −log σ(l) for target 1, of −log(1 − σ(l)) for target 0: softplus(s·l) with s = 1 − 2·target, in nats.

    ``logits`` (N,); returns the mean over N and its gradient s·σ(s·l)/N, shape (N,). InputError for anything else.

    >>> value, gradient = binary_cross_entropy(np.array([0.0, 0.0]), target=1)
    >>> value.round(4), gradient
    (np.float64(0.6931), array([-0.25, -0.25]))
    """
    return ops.binary_cross_entropy(logits, _checked("binary_cross_entropy", logits, target))


def least_squares(logits: Array, target: int) -> tuple[Array, Array]:
    """Mean of (σ(l) − target)², on probabilities as in the paper's code, not on the raw output of the LSGAN paper.

    ``logits`` (N,); returns the mean over N and its gradient 2·(p − target)·p·(1 − p)/N with p = σ(l), shape (N,).

    >>> least_squares(np.array([0.0]), target=0)
    (np.float64(0.25), array([0.25]))
    """
    return ops.least_squares(logits, _checked("least_squares", logits, target))


def mean_squared_error(y: Array, target: Array) -> tuple[Array, Array]:
    """Mean over all elements of (y − target)², any equal shapes; gradient 2·(y − target)/size, of y's shape.

    >>> mean_squared_error(np.array([1.0, 3.0]), np.array([1.0, 1.0]))
    (np.float64(2.0), array([0., 2.]))
    """
    arrays = hasattr(y, "dtype") and hasattr(target, "dtype")
    if not arrays or y.shape != target.shape or not y.size or y.dtype.kind != "f":
        found = f"{described(y)} and {described(target)}"
        raise InputError(f"mean_squared_error: expected floats and a target of their shape; found {found}")
    error = y - target
    return (error * error).mean(), 2 * error / error.size


ADVERSARIAL_LOSSES = Choices("loss", {"bce": binary_cross_entropy, "least-squares": least_squares})


def _checked(loss: str, logits: Array, target: int) -> int:
    if not hasattr(logits, "dtype") or logits.ndim != 1 or not logits.size or logits.dtype.kind != "f":
        raise InputError(f"{loss}: expected float logits (N,), N at least 1; found {described(logits)}")
    if not isinstance(target, int | np.integer) or target not in (0, 1):
        raise InputError(f"{loss}: expected target 1 for real or 0 for generated; found {target!r}")
    return int(target)  # NumPy's own would make float64 of float32
