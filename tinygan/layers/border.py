"""Add and take away a border of pixels: each is the adjoint of the other."""

from tinygan.array import Array
from tinygan.layers.base import Backward, Gradients, Layer
from tinygan.ops.reference import zero_pad

Border = tuple[int, int]  # (vertical, horizontal) pixels, on each of the two sides


class Pad(Layer):
    """A border of zeros: x (N, H, W, C) -> y (N, H + 2·v, W + 2·h, C); backward: dy without its border. Keeps nothing.

    >>> Pad((1, 2))(np.ones((1, 3, 3, 1)))[0].shape
    (1, 5, 7, 1)
    """

    def __init__(self, border: Border):
        super().__init__()
        self.border = border

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        self.expect(x, "NHWC")

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            return without_border(dy, self.border) if need_dx else None

        return zero_pad(x, self.border), backward


class Crop(Layer):
    """The image without its border: x (N, H + 2·v, W + 2·h, C) -> y (N, H, W, C). Keeps nothing.

    Backward: zeros around dy.
    """

    def __init__(self, border: Border):
        super().__init__()
        self.border = border

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        self.expect(x, "NHWC")
        if x.shape[1] <= 2 * self.border[0] or x.shape[2] <= 2 * self.border[1]:
            self.refuse(x, f"an image larger than its border {self.border}")

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            return zero_pad(dy, self.border) if need_dx else None

        return without_border(x, self.border), backward


def without_border(x: Array, border: Border) -> Array:
    """The middle of ``x`` (N, H, W, C), (N, H − 2·v, W − 2·h, C): a view, not to be written to."""
    (_, H, W, _), (v, h) = x.shape, border
    return x[:, v : H - v, h : W - h]
