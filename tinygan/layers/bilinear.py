"""What linear layer, convolution and transposed convolution have in common: y = f(x, w) + b, linear in x and in w."""

import math

from tinygan import ops
from tinygan.array import Array
from tinygan.errors import UsageError
from tinygan.init import fan_in_uniform
from tinygan.layers.base import Backward, Gradients, Layer
from tinygan.ops.window import Bilinear, Kernels


class BilinearLayer(Layer):
    """y = f(x, w) + b.

    A subclass gives f with its two adjoints as :meth:`apply_weight`. :class:`~tinygan.layers.WeightNorm` calls the same
    method with the normalised weight, :func:`~tinygan.frozen.frozen` with one that never changes.

    ``output_axis`` is the axis of ``w`` that counts output channels, b (out_channels,). ``init_factor`` multiplies the
    initial bound 1/√fan_in of both, fan_in being the number of products in one output value: the paper's code starts
    the generator's first weight-normalised layer with 0.01 (notes A3).
    """

    tap_share = 1.0  # the k of weight norm's n² = k·Σw² + ε: the share of taps that one output pixel meets

    def __init__(self, weight_shape: tuple[int, ...], output_axis: int, bias: bool, init_factor: float = 1.0):
        super().__init__()
        if min(weight_shape) < 1:
            raise UsageError(f"a weight of shape {weight_shape}: channels and kernel must be at least 1")
        self.output_axis, self.out_channels = output_axis, weight_shape[output_axis]
        init = fan_in_uniform(math.prod(weight_shape) // self.out_channels, init_factor)
        self.parameter("w", weight_shape, init)
        if bias:
            self.parameter("b", (self.out_channels,), init)
        else:
            self.b = None

    def apply_weight(self, x: Array, w: Array, b: Array | None = None, frozen: Kernels | None = None) -> Bilinear:
        """f(x, w) + b, a new array, and ``backward(dy, need_dx=True, need_dw=True, total=None) -> (dx or None,
        dw or None)``, which adds dw to ``total`` in place if that is given. ``frozen`` is a dict for one ``w`` that
        never changes: what is computed from w alone is kept there, and there is no dw.
        """
        raise TypeError(f"{type(self).__name__} must define apply_weight")

    def per_channel(self, values: Array) -> Array:
        """One value per output channel, (out_channels,), shaped to multiply ``w``."""
        shape = [1] * len(self.parameter_specs["w"].shape)
        shape[self.output_axis] = self.out_channels
        return values.reshape(shape)

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        y, weight_backward = self.apply_weight(x, self.w, self.b)

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            if grads is None:
                return weight_backward(dy, need_dx, False)[0]
            if self.b is not None:
                ops.channel_sum(dy, grads[self.path("b")])
            return weight_backward(dy, need_dx, True, grads[self.path("w")])[0]

        return y, backward
