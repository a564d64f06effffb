"""A line through every value: one learned per channel, or one fixed for all."""

from tinygan import ops
from tinygan.array import Array
from tinygan.init import constant
from tinygan.layers.base import Backward, Gradients, Layer


class ScaleShift(Layer):
    """y = scale·x + shift per channel, x and y (..., C); scale starts at 1, shift at 0. Keeps x.

    Backward: dx = scale·dy, dscale = Σ dy·x, dshift = Σ dy. Strict weight norm fixes the size of what it computes;
    where a network must end in values of any size, this gives the freedom back (notes A4).
    """

    def __init__(self, channels: int):
        super().__init__()
        self.channels = channels
        self.parameter("scale", (channels,), constant(1.0))
        self.parameter("shift", (channels,), constant(0.0))

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        self.expect(x, "", self.channels)

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            if grads is not None:
                ops.channel_sum(dy * x, grads[self.path("scale")])
                ops.channel_sum(dy, grads[self.path("shift")])
            return dy * self.scale if need_dx else None

        return x * self.scale + self.shift, backward

    def __repr__(self) -> str:
        return "scale and shift per channel"


class Rescale(Layer):
    """y = a·x + b with fixed numbers a and b; backward: dx = a·dy. Keeps nothing.

    >>> Rescale(2.0, -1.0)(np.array([[0.0, 1.0]]))[0]
    array([[-1.,  1.]])
    """

    def __init__(self, a: float, b: float):
        super().__init__()
        self.a, self.b = float(a), float(b)

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        self.expect(x, "")

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            return self.a * dy if need_dx else None

        return self.a * x + self.b, backward

    def __repr__(self) -> str:
        return f"Rescale {self.a:g}·x {'+' if self.b >= 0 else '−'} {abs(self.b):g}"
