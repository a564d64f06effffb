"""Two branches of a network, from the same input and added: what a residual block is around."""

import numpy as np

from tinygan.array import Array, array_module
from tinygan.layers.base import Backward, Gradients, Layer
from tinygan.ops.cpu.sums import sum_over_rows
from tinygan.ops.cpu.weight_norm import normalise

# Inside the root: where both weights are 0 the sum is divided by 1e-8, as in the paper's ResNet code; beside weights of
# size 1 it is rounded away, so that a block that starts as its shortcut is exactly that.
EPSILON = 1e-16


class Addition(Layer):
    """y = residual(x) + shortcut(x); backward: dx is the sum of what both branches make of dy.

    The branches are layers from x (N, H, W, C_in) to the same shape (N, H', W', C) (He et al. 2016, arXiv 1512.03385).
    """

    def __init__(self, residual: Layer, shortcut: Layer):
        super().__init__()
        self.residual = self.child("residual", residual)
        self.shortcut = self.child("shortcut", shortcut)

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        r, residual_backward = self.residual(x, training)
        s, shortcut_backward = self.shortcut(x, training)

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            from_residual = residual_backward(dy, grads, need_dx)
            from_shortcut = shortcut_backward(dy, grads, need_dx)
            return from_residual + from_shortcut if need_dx else None

        return r + s, backward


class WeightNormalisedAddition(Addition):
    """y = (w₁·residual(x) + w₂·shortcut(x))/√(w₁² + w₂²), one pair of weights per channel.

    That is a strict weight-normalised layer with two inputs for each channel, so it is :func:`normalise` again: with
    v = w/‖w‖, y = v₁·r + v₂·s. Backward: dr = v₁·dy, ds = v₂·dy; dv = (Σ dy·r, Σ dy·s) over batch and space, and dw is
    dv less its component along w, divided by ‖w‖.

    ``w`` (2, C) starts at (0, 1): y is the shortcut. At the first step the residual branch gets no gradient; w₁ does.

    Source: the paper's ResNet; notes A4.
    """

    def __init__(self, residual: Layer, shortcut: Layer, channels: int):
        super().__init__(residual, shortcut)
        self.parameter("w", (2, channels), lambda rng, shape: np.broadcast_to([[0.0], [1.0]], shape))

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        v, accumulate = normalise(self.w, axis=1, k=1.0, epsilon=EPSILON)
        r, residual_backward = self.residual(x, training)
        s, shortcut_backward = self.shortcut(x, training)

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            if grads is not None:
                dv = array_module(dy).stack([sum_over_rows(dy * r), sum_over_rows(dy * s)])
                accumulate(dv, grads[self.path("w")])
            from_residual = residual_backward(v[0] * dy, grads, need_dx)
            from_shortcut = shortcut_backward(v[1] * dy, grads, need_dx)
            return from_residual + from_shortcut if need_dx else None

        return v[0] * r + v[1] * s, backward
