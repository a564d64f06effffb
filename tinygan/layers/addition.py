"""Two branches from the same input, added: the core of a residual block."""

import numpy as np

from tinygan import ops
from tinygan.array import Array, array_module
from tinygan.layers.base import Backward, Gradients, Layer

# Inside the root: where both weights are 0 the sum is divided by 1e-8, as in the paper's ResNet code. Beside weights of
# size 1 it is rounded away, so that a block starts as exactly its shortcut.
EPSILON = 1e-16


class Addition(Layer):
    """y = residual(x) + shortcut(x); backward: dx is the sum of what both branches make of dy. Keeps what they keep.

    The branches are layers from x (N, H, W, C_in) to the same shape (N, H', W', C) (He et al. 2016, arXiv
    1512.03385). Raises InputError: the branches' outputs differ in shape.

    >>> Addition(ReLU(), Sequential([]))(np.array([[-1.0, 2.0]]))[0]
    array([[-1.,  4.]])
    """

    def __init__(self, residual: Layer, shortcut: Layer):
        super().__init__()
        self.residual = self.child("residual", residual)
        self.shortcut = self.child("shortcut", shortcut)

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        r, residual_backward, s, shortcut_backward = self._branches(x, training)

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            from_residual = residual_backward(dy, grads, need_dx)
            from_shortcut = shortcut_backward(dy, grads, need_dx)
            return from_residual + from_shortcut if need_dx else None

        return r + s, backward

    def _branches(self, x: Array, training: bool) -> tuple[Array, Backward, Array, Backward]:
        r, residual_backward = self.residual(x, training)
        s, shortcut_backward = self.shortcut(x, training)
        if r.shape != s.shape:
            self.refuse(s, f"from the shortcut what the residual branch gives, {r.shape}")
        return r, residual_backward, s, shortcut_backward


class WeightNormalisedAddition(Addition):
    """y = (w₁·residual(x) + w₂·shortcut(x))/√(w₁² + w₂²), one pair of weights per channel.

    A strict weight-normalised layer with two inputs for each channel, by the same operation: with v = w/‖w‖,
    y = v₁·r + v₂·s. Backward: dr = v₁·dy, ds = v₂·dy; dv = (Σ dy·r, Σ dy·s) over batch and space, and dw is dv with its
    component along w removed, divided by ‖w‖. Keeps r, s (N, H', W', C), v, and what the branches keep.

    ``w`` (2, C) starts at (0, 1): y is the shortcut. At the first step the residual branch gets no gradient; w₁ does.

    Source: the paper's ResNet; notes A4.
    """

    def __init__(self, residual: Layer, shortcut: Layer, channels: int):
        super().__init__(residual, shortcut)
        self.channels = channels
        self.parameter("w", (2, channels), lambda rng, shape: np.broadcast_to([[0.0], [1.0]], shape))

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        v, add_gradient = ops.weight_norm(self.w, axis=1, k=1.0, epsilon=EPSILON)
        r, residual_backward, s, shortcut_backward = self._branches(x, training)
        self.expect(r, "", self.channels)

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            if grads is not None:
                dv = array_module(dy).stack([ops.channel_sum(dy * r), ops.channel_sum(dy * s)])
                add_gradient(dv, grads[self.path("w")])
            from_residual = residual_backward(v[0] * dy, grads, need_dx)
            from_shortcut = shortcut_backward(v[1] * dy, grads, need_dx)
            return from_residual + from_shortcut if need_dx else None

        return v[0] * r + v[1] * s, backward
