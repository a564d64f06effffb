"""Batch normalisation over the batch and, for images, over space (Ioffe & Szegedy 2015, arXiv 1502.03167)."""

import threading

from tinygan import ops
from tinygan.array import Array, array_module
from tinygan.init import constant, uniform
from tinygan.layers.base import Backward, Gradients, Layer
from tinygan.runtime import collectives

EPSILON = 1e-5
MOMENTUM = 0.1


class _Here(threading.local):
    two_batches = False  # whether this thread's batches in training are two of one size, each normalised by itself


here = _Here()


class BatchNorm(Layer):
    """y = scale·(x − mean)/√(var + ε) + shift per channel, x and y (N, ..., C). Keeps x, mean and 1/√(var + ε).

    In training, mean and var are those of the M = N·H·W values of the channel in this batch, and the running
    statistics move towards them: running ← 0.9·running + 0.1·batch, with the unbiased variance (M − 1). Otherwise the
    running statistics are used, and an image's output does not depend on the others.

    ``scale`` starts uniform in [0, 1), ``shift`` at 0: the 2017 library defaults that the paper ran with (notes A3).

    Where several processes have a shard of the batch each, M, mean and var are those of the whole batch. Raises
    InputError: in training with M = 1, where the batch variance says nothing.

    >>> layer = BatchNorm(1)
    >>> _ = initialise(layer, np.random.default_rng(0), open_backend("cpu", "float64"))
    >>> layer.scale[:] = 1
    >>> layer(np.array([[1.0], [3.0]]), training=True)[0].round(4)
    array([[-1.],
           [ 1.]])
    """

    mixes_images = True

    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels
        self.parameter("scale", (channels,), uniform(0.0, 1.0))
        self.parameter("shift", (channels,), constant(0.0))
        self.buffer("running_mean", (channels,), constant(0.0))
        self.buffer("running_var", (channels,), constant(1.0))

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        self.expect(x, "", self.channels)
        return self._each_half(x) if training and here.two_batches else self._whole(x, training)

    def _whole(self, x: Array, training: bool) -> tuple[Array, Backward]:
        M = x.size // self.channels
        if training:
            mean, var, M = collectives.moments(*ops.batch_statistics(x), M)
            if M == 1:
                self.refuse(x, "more than one value per channel in training")
            if not collectives.place():  # of processes that share memory, only the first updates them
                statistics = self.running_mean, self.running_var
                ops.update_statistics(*statistics, mean, var, M / (M - 1), MOMENTUM)
        else:
            mean, var = self.running_mean.copy(), self.running_var  # a copy, since backward needs this pass's mean
        r = 1 / array_module(x).sqrt(var + EPSILON)
        y = ops.batch_norm(x, mean, r, self.scale, self.shift)

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            totals = (None, None) if grads is None else (grads[self.path("shift")], grads[self.path("scale")])
            if grads is not None or training:
                dshift, dscale = ops.batch_norm_sums(x, dy, mean, r, totals)
            if not need_dx:
                return None
            if not training:
                return dy * (self.scale * r)
            dshift, dscale = collectives.all_reduce(dshift, dscale)
            return ops.batch_norm_backward(x, dy, mean, r, self.scale, dshift, dscale, M)

        return y, backward

    def _each_half(self, x: Array) -> tuple[Array, Backward]:
        """Real and generated images, which D judges as one batch, each half normalised by itself."""
        xp, N = array_module(x), len(x) // 2
        (y, backward), (other_y, other_backward) = self._whole(x[:N], True), self._whole(x[N:], True)

        def both_backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            dx, other_dx = backward(dy[:N], grads, need_dx), other_backward(dy[N:], grads, need_dx)
            return xp.concatenate([dx, other_dx]) if need_dx else None

        return xp.concatenate([y, other_y]), both_backward
