"""Layers in a row, and the change of shape between them."""

from collections.abc import Mapping, Sequence

from tinygan.array import Array
from tinygan.layers.base import Backward, Gradients, Layer


class Sequential(Layer):
    """y = f_n(… f_2(f_1(x))); backward runs the layers in reverse. Keeps what they keep.

    The layers of a list are named "0", "1", …; the names become part of the parameters'.

    >>> Sequential([Rescale(2.0, 0.0), ReLU()])(np.array([[-1.0, 2.0]]))[0]
    array([[0., 4.]])
    """

    def __init__(self, layers: Mapping[str, Layer] | Sequence[Layer]):
        super().__init__()
        named = layers if isinstance(layers, Mapping) else {str(k): layer for k, layer in enumerate(layers)}
        for name, layer in named.items():
            self.child(name, layer)

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        backwards = []
        for layer in self.children.values():
            x, layer_backward = layer(x, training)
            backwards.append(layer_backward)

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            for index in reversed(range(len(backwards))):
                dy = backwards[index](dy, grads, need_dx or index > 0)
            return dy if need_dx else None

        return x, backward


class Reshape(Layer):
    """(N, ...) -> (N, *shape), the same values in the same order; one length may be −1. Keeps nothing.

    Raises InputError: an image's values do not fill the shape.
    """

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        self.shape = shape

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        self.expect(x, "")
        shape = x.shape
        try:
            y = x.reshape(shape[0], *self.shape)
        except ValueError:
            self.refuse(x, f"images whose values fill {self.shape}")

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            return dy.reshape(shape) if need_dx else None

        return y, backward
