"""Weight normalisation: every output unit sees a weight vector of length one (paper, section on WN; notes A3)."""

from collections.abc import Callable

from tinygan import ops
from tinygan.array import Array
from tinygan.init import constant
from tinygan.layers.base import Backward, Gradients, Layer
from tinygan.layers.bilinear import BilinearLayer

EPSILON = 1e-6  # inside the root, as in the paper's DCGAN code


class WeightNorm(Layer):
    """A bilinear layer f whose weight is normalised: y = f(x, w/‖w‖), strict, or y = γ·f(x, w/‖w‖) + β, affine.

    In full y = f(x, w/n), n² = k·Σw² + ε over each output channel's weights; k = 1 for linear and convolution,
    1/(stride_h·stride_w) for transposed convolution. Of the inner layer f and the shape of w are used, not its bias:
    the affine form has β, the strict form none. γ starts at 1, β at 0, both (C_out,). Keeps what the inner layer keeps,
    the lengths (C_out,), and, if affine, v = w/‖w‖. (Salimans & Kingma write v for the raw weight.)

    A translated activation (TReLU, TPReLU) after a strict layer makes up for the freedom that it lost; each network's
    last layer is affine.

    Source: paper, definition of the strict and affine layers; notes A1, A3.

    >>> layer = WeightNorm(Linear(4, 2))
    >>> _ = initialise(layer, np.random.default_rng(0))
    >>> layer.w *= 10  # turning a weight matters, stretching it does not
    >>> v, _ = layer.direction()
    >>> (v**2).sum(axis=0).round(4)
    array([1., 1.], dtype=float32)
    """

    def __init__(self, inner: BilinearLayer, affine: bool = False, epsilon: float = EPSILON):
        super().__init__()
        self.inner = inner
        self.affine = affine
        self.epsilon = float(epsilon)
        spec = inner.parameter_specs["w"]
        self.parameter("w", spec.shape, spec.init)
        if affine:
            self.parameter("scale", (inner.out_channels,), constant(1.0))
            self.parameter("bias", (inner.out_channels,), constant(0.0))

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        v, add_gradient = self.direction()
        y, weight_backward = self.inner.apply_weight(x, *self.weight_and_bias(v))
        direction = v if self.affine else None  # only dγ needs v

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            dx, du = weight_backward(dy, need_dx, grads is not None)  # u = γ·v
            if grads is not None:
                add_gradient(du * self.inner.per_channel(self.scale) if self.affine else du, grads[self.path("w")])
                if self.affine:
                    ops.channel_dot(du, direction, self.inner.output_axis, grads[self.path("scale")])
                    ops.channel_sum(dy, grads[self.path("bias")])
            return dx

        return y, backward

    def direction(self) -> tuple[Array, Callable[[Array, Array], None]]:
        """v, and what takes its gradient back to w (:func:`tinygan.ops.weight_norm`)."""
        return ops.weight_norm(self.w, self.inner.output_axis, self.inner.tap_share, self.epsilon)

    def weight_and_bias(self, v: Array) -> tuple[Array, Array | None]:
        """What the inner layer computes with: γ·v and β, or v alone."""
        return (v * self.inner.per_channel(self.scale), self.bias) if self.affine else (v, None)

    def rename(self, name: str) -> None:
        """The inner layer, which checks the input, gets the same name."""
        super().rename(name)
        self.inner.rename(name)

    def __repr__(self) -> str:
        return f"{'affine' if self.affine else 'strict'} weight norm of {self.inner!r}"


def with_inner(network: Layer) -> list[Layer]:
    """All layers of a network, and those within weight norm, which are no children: the arrays are WeightNorm's."""
    return [one for layer in network.walk() for one in (layer, getattr(layer, "inner", layer))]
