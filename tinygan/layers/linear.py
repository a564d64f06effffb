"""Layers with a weight: y = f(x, w) + b with f linear in x and in w; here f(x, w) = x·w."""

from collections.abc import Callable

from tinygan.array import Array
from tinygan.init import fan_in_uniform
from tinygan.layers.base import Backward, Gradients, Layer
from tinygan.ops.cpu.matmul import multiply
from tinygan.ops.cpu.sums import sum_over_rows

BilinearBackward = Callable[[Array, bool, bool], tuple[Array | None, Array | None]]
InputGradient = Callable[[Array], Array]


class BilinearLayer(Layer):
    """y = f(x, w) + b: what linear, convolution and transposed convolution have in common.

    A subclass gives the bilinear map ``f`` with its two adjoints as :meth:`product`. :class:`WeightNorm` calls the
    same ``product`` with the normalised weight.

    Args:
        weight_shape: shape of ``w``.
        output_axis: the axis of ``w`` that counts output channels.
        out: number of output channels, the last axis of ``y``.
        bias: whether there is a ``b``, shape (out,).
        init_factor: multiplies the initial bound 1/√fan_in of ``w`` and ``b``; the paper's code starts the
            generator's first weight-normalised layer with 0.01 (notes A3).

    Attributes:
        tap_share: the k of weight norm's n² = k·Σw² + ε, the share of taps that one output pixel meets.
    """

    tap_share = 1.0

    def __init__(self, weight_shape: tuple[int, ...], output_axis: int, fan_in: int, bias: bool, init_factor: float):
        super().__init__()
        self.output_axis = output_axis % len(weight_shape)
        self.out_channels = weight_shape[self.output_axis]
        self.parameter("w", weight_shape, fan_in_uniform(fan_in, init_factor))
        self.b = None
        if bias:
            self.parameter("b", (self.out_channels,), fan_in_uniform(fan_in, init_factor))

    def apply_weight(self, x: Array, w: Array, b: Array | None = None) -> tuple[Array, BilinearBackward]:
        """f(x, w) + b, a new array, and ``backward(dy, need_dx, need_dw) -> (dx or None, dw or None)``."""
        raise TypeError(f"{type(self).__name__} must define product")

    def apply_frozen_weight(
        self, x: Array, w: Array, b: Array | None, kernels: dict[int, Array]
    ) -> tuple[Array, InputGradient]:
        """f(x, w) + b and ``dy -> dx``, for a weight that stays as it is.

        Args:
            kernels: where what is made of ``w`` is kept from call to call; empty before the first.
        """
        y, backward = self.apply_weight(x, w, b)
        return y, lambda dy: backward(dy, True, False)[0]

    def per_channel(self, values: Array) -> Array:
        """One value per output channel, (out,), shaped to multiply ``w``."""
        shape = [1] * len(self.parameter_specs["w"].shape)
        shape[self.output_axis] = self.out_channels
        return values.reshape(shape)

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        y, product_backward = self.apply_weight(x, self.w, self.b)

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            dx, dw = product_backward(dy, need_dx, grads is not None)
            if grads is not None:
                grads[self.path("w")] += dw
                if self.b is not None:
                    grads[self.path("b")] += sum_over_rows(dy)
            return dx

        return y, backward


class Linear(BilinearLayer):
    """y = x·w + b, with x (N, C_in), w (C_in, C_out), b (C_out), y (N, C_out)."""

    def __init__(self, c_in: int, c_out: int, bias: bool = True, init_factor: float = 1.0):
        super().__init__((c_in, c_out), output_axis=1, fan_in=c_in, bias=bias, init_factor=init_factor)

    def apply_weight(self, x: Array, w: Array, b: Array | None = None) -> tuple[Array, BilinearBackward]:
        """x·w + b; backward: dx = dy·wᵀ, dw = xᵀ·dy."""
        y = multiply(x, w)
        if b is not None:
            y += b

        def backward(dy: Array, need_dx: bool, need_dw: bool) -> tuple[Array | None, Array | None]:
            dx = multiply(dy, w.T) if need_dx else None
            dw = multiply(x.T, dy) if need_dw else None
            return dx, dw

        return y, backward

    def __repr__(self) -> str:
        return "Linear"
