"""A network in evaluation mode as a flat list of plain operations, for programs that know nothing of tinygan.

Nothing is left to normalise: a weight-normalised layer is the inner one with the weight γ·w/‖w‖, and batch norm with
its running statistics is a·y + c per channel, which goes into the weight and bias of the layer before it (Jacob et al.
2018, arXiv 1712.05877). Every form that is exported, and the page, runs the same list.

    kind              arrays         settings      result, with x the first input
    linear            w, b                         x·w + b
    correlate         w, b           stride, pad   convolution, as layers.Conv2d
    correlate_transpose  w, b        stride, pad   transposed convolution, as layers.ConvTranspose2d
    reshape                          shape         (N, ...) -> (N, *shape)
    scale_shift       scale, shift                 scale·x + shift
    rectify           slope, shift                 x where x ≥ shift, else shift + slope·(x − shift)
    sigmoid, tanh                                  1/(1 + e⁻ˣ), tanh x
    add               v1, v2                       v1·x + v2·(second input)
    average_pool                                   mean of every 2×2 block
    nearest_double                                 every pixel four times
    pad, crop                        border        a border of zeros added, or a border taken away
"""

from collections.abc import Iterable, Mapping
from functools import singledispatch
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tinygan import layers, ops
from tinygan.array import Array
from tinygan.errors import TinyganError
from tinygan.layers import Addition, BatchNorm, BilinearLayer, Layer, Rescale, ScaleShift, Sequential, WeightNorm
from tinygan.layers.activations import TranslatedRectifier
from tinygan.layers.addition import EPSILON as ADDITION_EPSILON
from tinygan.layers.batchnorm import EPSILON as BATCH_NORM_EPSILON
from tinygan.layers.weightnorm import with_inner

PLAIN = {  # layers without arrays: kind, settings
    layers.Sigmoid: ("sigmoid", ()),
    layers.Tanh: ("tanh", ()),
    layers.AveragePool: ("average_pool", ()),
    layers.NearestDouble: ("nearest_double", ()),
    layers.Reshape: ("reshape", ("shape",)),
    layers.Pad: ("pad", ("border",)),
    layers.Crop: ("crop", ("border",)),
}
WEIGHTED = {layers.Linear: "linear", layers.Conv2d: "correlate", layers.ConvTranspose2d: "correlate_transpose"}
OUTPUT_AXIS = {"linear": 1, "correlate": 3, "correlate_transpose": 2}


class Operation(NamedTuple):
    """One step of a network."""

    kind: str  # a line of this module's table
    name: str  # the layer's, with underscores for dots
    inputs: tuple[int, ...]  # the values it reads: 0 is the network's input, k the result of the k-th operation
    settings: dict[str, list[int]]  # what JSON can hold
    arrays: dict[str, np.ndarray]  # float32


class Shapes(NamedTuple):
    """Of a network's input and output, without N, as in tinygan: G's are (Z,) and (H, W, 3), D's (H, W, 3) and ()."""

    x: tuple[int, ...]
    y: tuple[int, ...]


def operations_of(network: Layer) -> list[Operation]:
    """The operations of ``network`` in evaluation mode, its result last; TinyganError for a layer of one's own."""
    for layer in with_inner(network):
        methods = [getattr(type(layer), name, Layer.walk) for name in ("__call__", "apply_weight")]
        if not all(method.__module__.startswith("tinygan.") for method in methods):  # its class may add nothing
            raise _unknown(layer)
    operations: list[Operation] = []
    _append(network, 0, operations)
    names = [one.name for one in operations if one.arrays]
    if len(set(names)) < len(names):
        raise TinyganError("two layers would have one name there, with _ for the dots of its path: rename one")
    return operations


def _unknown(layer: Layer) -> TinyganError:
    return TinyganError(f"a layer {layer!r} cannot be exported: {__name__} knows only tinygan's own layers")


@singledispatch
def _append(layer: Layer, x: int, operations: list[Operation]) -> int:
    """Append what computes ``layer`` of value ``x``; return the number of its result."""
    if type(layer) not in PLAIN:
        raise _unknown(layer)
    kind, settings = PLAIN[type(layer)]
    return _add(operations, kind, layer, (x,), **{name: getattr(layer, name) for name in settings})


def _add(
    operations: list[Operation],
    kind: str,
    layer: Layer,
    inputs: tuple[int, ...],
    arrays: Mapping[str, ArrayLike] | None = None,
    **settings: Iterable[int],
) -> int:
    rounded = {name: np.asarray(array, np.float32) for name, array in (arrays or {}).items()}
    lists = {name: [int(number) for number in setting] for name, setting in settings.items()}
    operations.append(Operation(kind, layer.name.replace(".", "_"), inputs, lists, rounded))
    return len(operations)


@_append.register
def _(layer: Sequential, x: int, operations: list[Operation]) -> int:
    first = len(operations)
    for child in layer.children.values():
        if not (isinstance(child, BatchNorm) and _fold_into(operations[first:], child, operations)):
            x = _append(child, x, operations)
    return x


def _fold_into(own: list[Operation], layer: BatchNorm, operations: list[Operation]) -> bool:
    """Put batch norm into the weighted layer before it, of the same sequence; False if there is none that can take it.

    A reshape between them may have cut the layer's outputs into several values of each channel, as after a linear
    layer, but not joined them.
    """
    back = 2 if len(own) > 1 and own[-1].kind == "reshape" else 1
    if len(own) < back or own[-back].kind not in OUTPUT_AXIS:
        return False
    before, (w, b) = own[-back], own[-back].arrays.values()
    if len(b) % layer.scale.size:
        return False
    a, c = (np.tile(values, len(b) // layer.scale.size) for values in _line(layer))
    axis = OUTPUT_AXIS[before.kind]
    arrays = {"w": np.moveaxis(np.moveaxis(w, axis, -1) * a, -1, axis), "b": a * b + c}
    operations[-back] = before._replace(arrays={name: array.astype(np.float32) for name, array in arrays.items()})
    return True


def _line(layer: BatchNorm) -> tuple[np.ndarray, np.ndarray]:
    """a and c of scale·(x − mean)/√(var + ε) + shift = a·x + c."""
    scale, shift, mean, var = (
        np.asarray(array, np.float64) for array in (layer.scale, layer.shift, layer.running_mean, layer.running_var)
    )
    a = scale / np.sqrt(var + BATCH_NORM_EPSILON)
    return a, shift - a * mean


@_append.register
def _(layer: BatchNorm, x: int, operations: list[Operation]) -> int:
    a, c = _line(layer)
    return _add(operations, "scale_shift", layer, (x,), {"scale": a, "shift": c})


@_append.register
def _(layer: BilinearLayer, x: int, operations: list[Operation]) -> int:
    return _add_weighted(layer, layer, layer.w, layer.b, x, operations)


@_append.register
def _(layer: WeightNorm, x: int, operations: list[Operation]) -> int:
    v, _ = layer.direction()
    return _add_weighted(layer, layer.inner, *layer.weight_and_bias(v), x, operations)


def _add_weighted(
    layer: Layer, inner: BilinearLayer, w: Array, b: Array | None, x: int, operations: list[Operation]
) -> int:
    if type(inner) not in WEIGHTED:
        raise _unknown(inner)
    kind = WEIGHTED[type(inner)]
    window = {} if kind == "linear" else {"stride": inner.window.stride, "pad": inner.window.pad}
    arrays = {"w": w, "b": np.zeros(inner.out_channels) if b is None else b}
    return _add(operations, kind, layer, (x,), arrays, **window)


@_append.register
def _(layer: TranslatedRectifier, x: int, operations: list[Operation]) -> int:
    line = np.broadcast_arrays(np.atleast_1d(layer.slope), np.atleast_1d(layer.shift))
    return _add(operations, "rectify", layer, (x,), dict(zip(("slope", "shift"), line, strict=True)))


@_append.register
def _(layer: Addition, x: int, operations: list[Operation]) -> int:
    branches = tuple(_append(branch, x, operations) for branch in (layer.residual, layer.shortcut))
    v = np.ones((2, 1))
    if isinstance(layer, layers.WeightNormalisedAddition):
        v, _ = ops.weight_norm(layer.w, axis=1, k=1.0, epsilon=ADDITION_EPSILON)
    return _add(operations, "add", layer, branches, {"v1": v[0], "v2": v[1]})


@_append.register
def _(layer: ScaleShift | Rescale, x: int, operations: list[Operation]) -> int:
    scale, shift = (layer.scale, layer.shift) if isinstance(layer, ScaleShift) else ([layer.a], [layer.b])
    return _add(operations, "scale_shift", layer, (x,), {"scale": scale, "shift": shift})
