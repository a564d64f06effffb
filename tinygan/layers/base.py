"""The contract of a layer: a function that returns its output and its own backward pass."""

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, NamedTuple, NoReturn

import numpy as np

from tinygan.array import Array
from tinygan.device import Backend, open_backend
from tinygan.errors import InputError, UsageError
from tinygan.init import Initialiser
from tinygan.parameters import Parameters

CALL_INITIALISE = "call initialise(network, rng) before the first pass, on layers declared with self.child"
Gradients = MutableMapping[str, Array]
Backward = Callable[..., Array]  # backward(dy, grads=None, need_dx=True) -> dx, None if not needed


class Spec(NamedTuple):
    """Shape and initial value of a parameter that does not exist yet, and whether updates keep it in [0, 1]."""

    shape: tuple[int, ...]
    init: Initialiser
    bounded: bool = False


class Layer:
    """Base of all layers.

    Calling a layer runs its forward pass and returns the backward pass that belongs to it::

        y, backward = layer(x, training)
        dx = backward(dy, grads)

    - ``x``: input, shape (N, ...); ``y``: output; ``dy``, ``dx``: the loss's gradients with respect to them.
    - ``grads``: where parameter gradients are *added*, under ``layer.path(name)``; the caller zeroes it. None computes
      the input gradient only: what the generator's pass through the discriminator needs.
    - ``need_dx=False`` skips the input gradient and returns None: what the discriminator needs on real images.
    - ``training``: of tinygan's layers only batch norm computes something else in training.

    What ``backward`` needs is captured by that inner function; the layer stores nothing (but batch norm's statistics).
    So any number of passes may be in flight at once, and each ``backward`` may be called as often as wanted. Neither
    pass writes into what it was given. Every docstring says what its layer keeps for ``backward``.

    A subclass declares parameters and child layers in its constructor with :meth:`parameter`, :meth:`buffer` and
    :meth:`child`; :func:`initialise` then creates the arrays, each an attribute of that name.
    """

    mixes_images = False  # whether an image's output depends on the others in its batch (batch norm, in training)

    def __init__(self) -> None:
        self.name = ""
        self.parameter_specs: dict[str, Spec] = {}
        self.buffer_specs: dict[str, Spec] = {}
        self.children: dict[str, Layer] = {}

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        raise TypeError(f"{type(self).__name__} must define __call__")

    def parameter(self, name: str, shape: tuple[int, ...], init: Initialiser, bounded: bool = False) -> None:
        """Declare a trained array; optimisers clip a ``bounded`` one to [0, 1] after each update."""
        self.parameter_specs[name] = Spec(shape, init, bounded)

    def buffer(self, name: str, shape: tuple[int, ...], init: Initialiser) -> None:
        """Declare an array that belongs to the network's state but is not trained (running statistics)."""
        self.buffer_specs[name] = Spec(shape, init)

    def child(self, name: str, layer: "Layer") -> "Layer":
        """Make ``layer`` part of this one, and return it; its parameters are named ``<name>.<their own name>``."""
        self.children[name] = layer
        return layer

    def path(self, name: str) -> str:
        """The full name of this layer's array ``name``, as used in gradients and checkpoints."""
        return f"{self.name}.{name}" if self.name else name

    def rename(self, name: str) -> None:
        """Give this layer its full name, and those below it theirs."""
        self.name = name
        for child_name, child in self.children.items():
            child.rename(self.path(child_name))

    def expect(self, x: Array, axes: str, channels: int | None = None) -> None:
        """Check an input: InputError for another rank or number of channels, for integers, or for an empty batch.

        ``axes`` has one letter per axis, or is "" for any rank; ``channels`` is the length of the last axis.
        """
        if (
            not hasattr(x, "dtype")
            or (axes and x.ndim != len(axes))
            or (channels is not None and (x.ndim < 2 or x.shape[-1] != channels))
            or getattr(x.dtype, "kind", "") != "f"
            or not (x.ndim and x.size)
        ):
            form = ", ".join(axes[:-1] if channels is not None and axes else axes) or "N, ..."
            self.refuse(x, f"floats ({form}{'' if channels is None else f', {channels}'}), N at least 1")

    def refuse(self, x: Array, expected: str) -> NoReturn:
        """Raise InputError in one line that names the layer, what it expected and what it found."""
        where = f"layer {self.name}, {self!r}" if self.name else f"layer {self!r}"
        raise InputError(f"{where}: expected {expected}; found {described(x)}")

    def walk(self) -> Iterator["Layer"]:
        """This layer and everything below it, in the order of the forward pass."""
        yield self
        for layer in self.children.values():
            yield from layer.walk()

    def __getattr__(self, name: str) -> Any:
        if "children" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__} has no {name!r}: call super().__init__() first in __init__")
        if name in self.parameter_specs or name in self.buffer_specs:
            raise AttributeError(f"{self!r} has no {name!r} yet: {CALL_INITIALISE}")
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        return type(self).__name__


def described(x: Array) -> str:
    """An array's type and shape; for anything else, its class and the remedy."""
    if hasattr(x, "dtype"):
        return f"{x.dtype} {x.shape}"
    return f"a {type(x).__name__}: give an array, as np.asarray(x, np.float32)"


def initialise(layer: Layer, rng: np.random.Generator, backend: Backend | None = None) -> tuple[Parameters, Parameters]:
    """Create and initialise all arrays of ``layer`` and everything below it, and return (parameters, buffers).

    Values are drawn from ``rng`` in the order of the forward pass. Without a backend the CPU is opened, in float32,
    with what that sets for the process (:func:`~tinygan.device.open_backend`).

    >>> parameters, buffers = initialise(Sequential([Linear(2, 3), BatchNorm(3)]), np.random.default_rng(0))
    >>> {name: array.shape for name, array in parameters.items()}
    {'0.w': (2, 3), '0.b': (3,), '1.scale': (3,), '1.shift': (3,)}
    """
    backend, layers = backend or open_backend("cpu"), list(layer.walk())
    layer.rename("")
    for one in layers:
        if layers.count(one) > 1:
            where = f"in the network twice, the second time at {one.name!r}"
            raise UsageError(f"layer {one!r} is {where}: make one for each place")
    paths = [one.path(name) for one in layers for name in (*one.parameter_specs, *one.buffer_specs)]
    if twice := [path for path in paths if paths.count(path) > 1]:
        raise UsageError(f"two arrays of the network would be called {twice[0]!r}: give their layers other names")

    def create(kind: str) -> Parameters:
        declared = [(one, name, spec) for one in layers for name, spec in getattr(one, kind).items()]
        shapes = {one.path(name): spec.shape for one, name, spec in declared}
        arrays = Parameters(shapes, backend, [one.path(name) for one, name, spec in declared if spec.bounded])
        arrays.load({one.path(name): np.asarray(spec.init(rng, spec.shape)) for one, name, spec in declared})
        for one, name, _ in declared:
            setattr(one, name, arrays[one.path(name)])
        return arrays

    return create("parameter_specs"), create("buffer_specs")
