"""Layers that change an image's size and nothing else, in pairs of adjoints (up to a factor 4 for the second pair).

Pad, Crop                    a border of zeros added, or a border taken away
AveragePool, NearestDouble   half the size by mean, twice the size by repetition
"""

from tinygan.array import Array, array_module
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
    """The middle of ``x`` (N, H, W, C), (N, H − 2·v, W − 2·h, C), contiguous."""
    (_, H, W, _), (v, h) = x.shape, border
    return array_module(x).ascontiguousarray(x[:, v : H - v, h : W - h])


class AveragePool(Layer):
    """Mean of every 2×2 block: x (N, 2H, 2W, C) -> y (N, H, W, C). Keeps nothing.

    Backward: a quarter of dy to each of the four. Raises InputError: an odd height or width.
    """

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        self.expect(x, "NHWC")
        if x.shape[1] % 2 or x.shape[2] % 2:
            self.refuse(x, "an even height and width")

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            return repeat_2x2(dy / 4) if need_dx else None

        return sum_2x2(x) / 4, backward


class NearestDouble(Layer):
    """Every pixel four times: x (N, H, W, C) -> y (N, 2H, 2W, C). Keeps nothing.

    Backward: the sum over each 2×2 block of dy.

    >>> NearestDouble()(np.array([1.0, 2.0]).reshape(1, 1, 2, 1))[0][0, :, :, 0]
    array([[1., 1., 2., 2.],
           [1., 1., 2., 2.]])
    """

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        self.expect(x, "NHWC")

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            return sum_2x2(dy) if need_dx else None

        return repeat_2x2(x), backward


def sum_2x2(x: Array) -> Array:
    """The sum of every 2×2 block of pixels, (N, 2H, 2W, C) -> (N, H, W, C)."""
    upper, lower = x[:, ::2], x[:, 1::2]
    return upper[:, :, ::2] + upper[:, :, 1::2] + lower[:, :, ::2] + lower[:, :, 1::2]


def repeat_2x2(x: Array) -> Array:
    """A block of 2×2 equal pixels for every pixel, (N, H, W, C) -> (N, 2H, 2W, C)."""
    N, H, W, C = x.shape
    y = array_module(x).empty((N, H, 2, W, 2, C), x.dtype)
    y[...] = x[:, :, None, :, None, :]
    return y.reshape(N, 2 * H, 2 * W, C)
