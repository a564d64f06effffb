"""Weight normalisation: every output unit sees a weight vector of length one (paper, section on WN; notes A3)."""

from collections.abc import Callable

from tinygan.backend import Array, array_module
from tinygan.init import constant
from tinygan.layers.base import Backward, Gradients, Layer
from tinygan.layers.linear import Weighted, sum_over_rows

EPSILON = 1e-6  # inside the root, as in the paper's DCGAN code


def normalise(w: Array, axes: tuple[int, ...], k: float, epsilon: float) -> tuple[Array, Callable[[Array], Array]]:
    """v = w/n with n² = k·Σw² + ε, Σ over ``axes`` (everything but the output channel).

    Backward, with s = Σ dv·v over the same axes: dw = (dv − k·v·s)/n. That is dv with its component along w taken
    out: Σ w·dw = (ε/n²)·s, so with ε = 0 the gradient is orthogonal to the weight.

    Returns:
        v, of w's shape, and ``project``: dv -> dw.
    """
    n = array_module(w).sqrt(k * (w * w).sum(axis=axes, keepdims=True) + epsilon)
    v = w / n

    def project(dv: Array) -> Array:
        s = (dv * v).sum(axis=axes, keepdims=True)
        return (dv - k * v * s) / n

    return v, project


class WeightNorm(Layer):
    """A weighted layer f whose weight is normalised: y = f(x, w/‖w‖), strict, or y = γ·f(x, w/‖w‖) + β, affine.

    ‖w‖² = k·Σw² + ε over each output channel's weights; k = 1 for linear and convolution, 1/(stride_h·stride_w) for
    transposed convolution. The inner layer contributes its map and its weight; its own bias is not used, since the
    affine form has β and the strict form has none. γ starts at 1, β at 0, both of shape (C_out,).

    Strict layers need the freedom that they lost from a translated activation (TReLU, TPReLU) behind them; the last
    layer of each network is affine.

    Source: paper, definition of the strict and affine layers; notes A1, A3.
    """

    def __init__(self, inner: Weighted, affine: bool = False, epsilon: float = EPSILON):
        super().__init__()
        self.inner = inner
        self.affine = affine
        self.epsilon = epsilon
        shape, init = inner.parameter_specs["w"]
        self.axes = tuple(axis for axis in range(len(shape)) if axis != inner.output_axis)
        self.parameter("w", shape, init)
        if affine:
            self.parameter("scale", (inner.out,), constant(1.0))
            self.parameter("bias", (inner.out,), constant(0.0))

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        v, project = normalise(self.w, self.axes, self.inner.norm_factor, self.epsilon)
        y, product_backward = self.inner.product(x, v * self._gamma() if self.affine else v)
        if self.affine:
            y += self.bias

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            dx, du = product_backward(dy, need_dx, grads is not None)  # u = γ·v
            if grads is not None:
                grads[self.path("w")] += project(du * self._gamma() if self.affine else du)
                if self.affine:
                    grads[self.path("scale")] += (du * v).sum(axis=self.axes)
                    grads[self.path("bias")] += sum_over_rows(dy)
            return dx

        return y, backward

    def _gamma(self) -> Array:
        """The scale γ, shaped to multiply the weight's output axis."""
        return self.scale.reshape([-1 if axis == self.inner.output_axis else 1 for axis in range(self.w.ndim)])

    def __repr__(self) -> str:
        return f"{'affine' if self.affine else 'strict'} weight norm of {self.inner!r}"
