"""Half and double the size of an image by mean and by repetition: each is the adjoint of the other, but for a factor 4.

Both are written with the same two maps: the sum of every 2×2 block, and a 2×2 block of every pixel.
"""

from tinygan.array import Array, array_module
from tinygan.layers.base import Backward, Gradients, Layer


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
