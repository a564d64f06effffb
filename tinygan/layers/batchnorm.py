"""Batch normalisation over the batch and, for images, over space (Ioffe & Szegedy 2015, arXiv 1502.03167)."""

from tinygan.backend import Array, array_module
from tinygan.init import constant, uniform
from tinygan.layers.base import Backward, Gradients, Layer
from tinygan.ops.standardise import moments, standardise, standardise_backward, standardise_sums

EPSILON = 1e-5
MOMENTUM = 0.1


class BatchNorm(Layer):
    """y = scale·(x − mean)/√(var + ε) + shift per channel, x and y (N, ..., C).

    In training, mean and var are those of the M = N·H·W values of the channel in this batch, and the running
    statistics move towards them: running ← 0.9·running + 0.1·batch, with the unbiased variance (M − 1). Otherwise the
    running statistics are used, and an image's output does not depend on the others.

    ``scale`` starts uniform in [0, 1), ``shift`` at 0: the 2017 library defaults that the paper ran with (notes A3).

    Raises:
        ValueError: in training with M = 1, where the batch variance says nothing.
    """

    mixes_images = True

    def __init__(self, channels: int):
        super().__init__()
        self.parameter("scale", (channels,), uniform(0.0, 1.0))
        self.parameter("shift", (channels,), constant(0.0))
        self.buffer("running_mean", (channels,), constant(0.0))
        self.buffer("running_var", (channels,), constant(1.0))

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        M = x.size // x.shape[-1]
        if training:
            if M == 1:
                raise ValueError("batch norm needs more than one value per channel in training")
            mean, var = moments(x)
            self._track(mean, var * (M / (M - 1)))
        else:
            mean, var = self.running_mean.copy(), self.running_var
        r = 1 / array_module(x).sqrt(var + EPSILON)
        y = standardise(x, mean, r, self.scale, self.shift)

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            if grads is not None or training:
                dshift, dscale = standardise_sums(x, dy, mean, r)
            if grads is not None:
                grads[self.path("shift")] += dshift
                grads[self.path("scale")] += dscale
            if not need_dx:
                return None
            factor = self.scale * r
            if not training:
                return dy * factor
            # The batch's own mean and variance move with x: both of their directions drop out of the gradient.
            return standardise_backward(x, dy, mean, factor, factor * r * dscale / M, factor * dshift / M)

        return y, backward

    def _track(self, mean: Array, var: Array) -> None:
        """Exponential moving average of the batch statistics: the only state that a forward pass may touch."""
        for running, batch in ((self.running_mean, mean), (self.running_var, var)):
            running += MOMENTUM * (batch - running)

    def __repr__(self) -> str:
        return "BatchNorm"
