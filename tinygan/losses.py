"""Losses: each returns its value, a 0-d array that stays on the device, and its gradient in the same call.

The adversarial losses take D's logits and a target, 1 for "real" and 0 for "generated"; the non-saturating loss of G
is the loss of its images with target 1 (Goodfellow et al. 2014, arXiv 1406.2661). Probabilities are never formed
where they could round to 0 or 1.
"""

from tinygan.array import Array, array_module, on_gpu
from tinygan.layers.activations import sigmoid
from tinygan.ops.cuda import losses as gpu


def binary_cross_entropy(logits: Array, target: int) -> tuple[Array, Array]:
    """Mean of −log σ(l) for target 1, of −log(1 − σ(l)) for target 0: softplus(s·l) with s = 1 − 2·target.

    ``logits`` (N,); returns the mean over N and its gradient s·σ(s·l)/N, shape (N,).
    """
    if on_gpu(logits):
        return gpu.binary_cross_entropy(logits, target)
    s = 1 - 2 * target
    loss = array_module(logits).logaddexp(s * logits, 0).mean()
    return loss, s * sigmoid(s * logits) / logits.size


def least_squares(logits: Array, target: int) -> tuple[Array, Array]:
    """Mean of (σ(l) − target)², on probabilities as in the paper's code, not on the raw output of the LSGAN paper.

    ``logits`` (N,); returns the mean over N and its gradient 2·(p − target)·p·(1 − p)/N, shape (N,).
    """
    if on_gpu(logits):
        return gpu.least_squares(logits, target)
    p, q = sigmoid(logits), sigmoid(-logits)  # q = 1 − p without cancellation
    error = p if target == 0 else -q
    return (error * error).mean(), 2 * error * p * q / logits.size


def mean_squared_error(y: Array, target: Array) -> tuple[Array, Array]:
    """Mean over all elements of (y − target)², any equal shapes; gradient 2·(y − target)/size, of y's shape."""
    error = y - target
    return (error * error).mean(), 2 * error / error.size


ADVERSARIAL_LOSSES = {"bce": binary_cross_entropy, "least-squares": least_squares}
