"""Activations. The rectifiers are one family, a line that bends at the shift b from slope a to slope 1:

    y = x − (1 − a)·u  with  u = min(x − b, 0),   i.e.  y = x where x ≥ b, else b + a·(x − b)

    ReLU: a = 0, b = 0.   LeakyReLU: a fixed, b = 0.   PReLU: a learned, b = 0.
    TReLU: a = 0, b learned, y = max(x, b).   TPReLU: both learned.

At the bend itself x counts as above it: slope 1.
"""

import numpy as np

from tinygan.array import Array, array_module, on_gpu
from tinygan.init import constant
from tinygan.layers.base import Backward, Gradients, Layer
from tinygan.ops.cpu.rectify import rectify, rectify_backward
from tinygan.ops.cuda.sigmoid import sigmoid_backward, sigmoid_forward

INITIAL_SLOPE = 0.25
LEAKY_SLOPE = 0.2


class TranslatedRectifier(Layer):
    """y = x where x ≥ b, else b + a·(x − b); x and y (..., C), slope a and shift b one per channel.

    Backward: dx = dy above b and a·dy below; da = Σ dy·(x − b) and db = Σ dy·(1 − a), both over x < b.

    A learned slope is projected to [0, 1] after each update, so that the function stays monotonic and bends the way
    of a rectifier; clamping it in the forward pass instead would kill its gradient at the border (notes B5).
    """

    slope: Array | float = 0.0
    shift: Array | float = 0.0

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        y = rectify(x, self.slope, self.shift)

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            learned = [grads is not None and name in self.parameter_specs for name in ("slope", "shift")]
            dx, *parameter_gradients = rectify_backward(x, dy, self.slope, self.shift, (need_dx, *learned))
            for name, gradient in zip(("slope", "shift"), parameter_gradients, strict=True):
                if gradient is not None:
                    grads[self.path(name)] += gradient
            return dx

        return y, backward

    def project(self) -> None:
        """Clip a learned slope to [0, 1]."""
        if "slope" in self.parameter_specs:
            array_module(self.slope).clip(self.slope, 0, 1, out=self.slope)


class ReLU(TranslatedRectifier):
    """y = max(x, 0)."""


class LeakyReLU(TranslatedRectifier):
    """y = x where x ≥ 0, else slope·x, with a fixed slope in [0, 1)."""

    def __init__(self, slope: float = LEAKY_SLOPE):
        super().__init__()
        self.slope = slope


class PReLU(TranslatedRectifier):
    """y = x where x ≥ 0, else a·x; a starts at 0.25 (He et al. 2015, arXiv 1502.01852)."""

    def __init__(self, channels: int):
        super().__init__()
        self.parameter("slope", (channels,), constant(INITIAL_SLOPE))


class TReLU(TranslatedRectifier):
    """y = max(x, b) = ReLU(x − b) + b; b starts at 0 (paper, definition of TReLU)."""

    def __init__(self, channels: int):
        super().__init__()
        self.parameter("shift", (channels,), constant(0.0))


class TPReLU(TranslatedRectifier):
    """y = PReLU(x − b) + b; a starts at 0.25, b at 0 (paper, the activation behind strict weight norm)."""

    def __init__(self, channels: int):
        super().__init__()
        self.parameter("slope", (channels,), constant(INITIAL_SLOPE))
        self.parameter("shift", (channels,), constant(0.0))


class Sigmoid(Layer):
    """y = 1/(1 + e⁻ˣ); backward: dx = dy·y·(1 − y)."""

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        y = sigmoid(x)

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            if need_dx and on_gpu(y):
                return sigmoid_backward(y, dy)
            return dy * (y * (1 - y)) if need_dx else None

        return y, backward


class Tanh(Layer):
    """y = tanh x; backward: dx = dy·(1 − y²)."""

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        y = array_module(x).tanh(x)

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            return dy * (1 - y * y) if need_dx else None

        return y, backward


def sigmoid(x: Array) -> Array:
    """σ(x) = 1/(1 + e⁻ˣ), with full relative precision for x ≪ 0 too; where e⁻ˣ overflows, it is 0."""
    if on_gpu(x):
        return sigmoid_forward(x)
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))
