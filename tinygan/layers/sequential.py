"""Layers in a row, and the change of shape between them."""

from tinygan.array import Array
from tinygan.layers.base import Backward, Gradients, Layer


class Sequential(Layer):
    """y = f_n(… f_2(f_1(x))): the layers in the order of the given dict; backward runs them in reverse.

    Args:
        layers: name -> layer; the names become part of the parameters' names.
    """

    def __init__(self, layers: dict[str, Layer]):
        super().__init__()
        for name, layer in layers.items():
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
    """(N, ...) -> (N, *shape), the same values in the same order."""

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        self.shape = shape

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            return dy.reshape(x.shape) if need_dx else None

        return x.reshape(x.shape[0], *self.shape), backward
