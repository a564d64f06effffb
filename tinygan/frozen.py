"""A network whose weights stay as they are: for searching codes, where thousands of passes use the same weights.

What depends on weights alone is then done once. Weight norm has nothing left to do: its layer is the inner one with
the weight γ·w/‖w‖. Batch norm with its running statistics is a line a·y + b per channel, and goes into the weights of
the layer before it. A kernel is transformed only once for the algorithm that multiplies it.
"""

from copy import copy

from tinygan.array import Array, array_module
from tinygan.layers.addition import Addition, WeightNormalisedAddition
from tinygan.layers.base import Backward, Gradients, Layer
from tinygan.layers.batchnorm import EPSILON, BatchNorm
from tinygan.layers.bilinear import BilinearLayer
from tinygan.layers.sequential import Sequential
from tinygan.layers.weightnorm import WeightNorm


class Frozen(Layer):
    """y = f(x, w) + b with a bilinear layer's f and given arrays w and b; has no parameters, and dx only."""

    def __init__(self, layer: BilinearLayer, w: Array, b: Array | None):
        super().__init__()
        self.layer, self.w, self.b = layer, w, b
        self._prepared: dict = {}

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        y, weight_backward = self.layer.apply_weight(x, self.w, self.b, self._prepared)

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            return weight_backward(dy, True, False)[0] if need_dx else None

        return y, backward

    def followed_by(self, a: Array, b: Array) -> "Frozen":
        """a·y + b as one layer; a and b (out_channels,)."""
        return Frozen(self.layer, self.w * self.layer.per_channel(a), b if self.b is None else a * self.b + b)


def frozen(layer: Layer) -> Layer:
    """The same map in evaluation mode, for input gradients only, as long as no weight of ``layer`` changes.

    Layers without anything to prepare are returned as they are; so are those of a class with a ``__call__`` of its own,
    which may compute something else than the class it inherits from.
    """
    call = type(layer).__call__
    if call is BilinearLayer.__call__:
        return Frozen(layer, layer.w, layer.b)
    if call is WeightNorm.__call__:
        v, _ = layer.direction()
        return Frozen(layer.inner, *layer.weight_and_bias(v))
    if call in (Addition.__call__, WeightNormalisedAddition.__call__):
        twin = copy(layer)
        twin.residual, twin.shortcut = frozen(layer.residual), frozen(layer.shortcut)
        twin.children = {"residual": twin.residual, "shortcut": twin.shortcut}
        return twin
    return _frozen_row(layer) if call is Sequential.__call__ else layer


def _frozen_row(row: Sequential) -> Sequential:
    """Every layer frozen, and batch norm folded into the bilinear layer directly before it."""
    layers: dict[str, Layer] = {}
    last = ""
    for name, child in row.children.items():
        if type(child).__call__ is BatchNorm.__call__ and isinstance(layers.get(last), Frozen):
            a = child.scale / array_module(child.scale).sqrt(child.running_var + EPSILON)
            layers[last] = layers[last].followed_by(a, child.shift - a * child.running_mean)
        else:
            layers[name] = frozen(child)
            last = name
    return Sequential(layers)
