"""The contract of a layer: a function that returns its output and its own backward pass."""

from collections.abc import Callable, Iterator, MutableMapping
from typing import NamedTuple

import numpy as np

from tinygan.array import Array
from tinygan.device import Backend, open_backend
from tinygan.init import Initialiser
from tinygan.parameters import Parameters

Gradients = MutableMapping[str, Array]
Backward = Callable[..., Array | None]  # backward(dy, grads=None, need_dx=True) -> dx


class Spec(NamedTuple):
    """Shape and initial value of a parameter that does not exist yet."""

    shape: tuple[int, ...]
    init: Initialiser


class Layer:
    """Base of all layers.

    Calling a layer runs its forward pass and returns the backward pass that belongs to it::

        y, backward = layer(x, training)
        dx = backward(dy, grads)

    - ``x``: input, shape (N, ...); ``y``: output; ``dy``, ``dx``: the loss's gradients with respect to them.
    - ``grads``: where parameter gradients are *added*, under ``layer.path(name)``; zeroing it is the caller's. None
      computes the input gradient only: what the generator's pass through the discriminator needs.
    - ``need_dx=False`` skips the input gradient and returns None: what the discriminator needs on real images.
    - ``training`` matters to batch norm alone.

    What ``backward`` needs is what the inner function captured; the layer itself stores nothing. So any number of
    passes may be in flight at once, and each ``backward`` may be called as often as wanted. Neither pass writes into
    what it was given.

    A subclass declares parameters and child layers in its constructor with :meth:`parameter`, :meth:`buffer` and
    :meth:`child`; :func:`initialise` then creates them, and each is an attribute of that name.
    """

    mixes_images = False  # whether an image's output depends on the others in its batch (batch norm, in training)

    def __init__(self) -> None:
        self.name = ""
        self.parameter_specs: dict[str, Spec] = {}
        self.buffer_specs: dict[str, Spec] = {}
        self.children: dict[str, Layer] = {}

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        raise TypeError(f"{type(self).__name__} must define __call__")

    def parameter(self, name: str, shape: tuple[int, ...], init: Initialiser) -> None:
        """Declare a trained array."""
        self.parameter_specs[name] = Spec(shape, init)

    def buffer(self, name: str, shape: tuple[int, ...], init: Initialiser) -> None:
        """Declare an array that belongs to the network's state but is not trained (running statistics)."""
        self.buffer_specs[name] = Spec(shape, init)

    def child(self, name: str, layer: "Layer") -> "Layer":
        """Make ``layer`` part of this one; its parameters are named ``<name>.<its own name>``."""
        self.children[name] = layer
        return layer

    def path(self, name: str) -> str:
        """The full name of this layer's array ``name``, as used in gradients and checkpoints."""
        return f"{self.name}.{name}" if self.name else name

    def project(self) -> None:
        """Move parameters back into their allowed set; called after each update. Most layers allow every value."""

    def walk(self) -> Iterator["Layer"]:
        """This layer and everything below it, in the order of the forward pass."""
        yield self
        for layer in self.children.values():
            yield from layer.walk()

    def __repr__(self) -> str:
        return type(self).__name__


def initialise(layer: Layer, rng: np.random.Generator, backend: Backend | None = None) -> tuple[Parameters, Parameters]:
    """Create and initialise all arrays of ``layer`` and everything below it, and return (parameters, buffers).

    Values are drawn from ``rng`` in the order of the forward pass. Without a backend: NumPy, float32.
    """
    backend = backend or open_backend("cpu")
    _name(layer, "")
    layers = list(layer.walk())
    parameters, buffers = (
        _create({one.path(name): spec for one in layers for name, spec in specs(one).items()}, rng, backend)
        for specs in (lambda one: one.parameter_specs, lambda one: one.buffer_specs)
    )
    for one in layers:
        for name in one.parameter_specs:
            setattr(one, name, parameters[one.path(name)])
        for name in one.buffer_specs:
            setattr(one, name, buffers[one.path(name)])
    return parameters, buffers


def _name(layer: Layer, name: str) -> None:
    layer.name = name
    for child_name, child in layer.children.items():
        _name(child, f"{name}.{child_name}" if name else child_name)


def _create(specs: dict[str, Spec], rng: np.random.Generator, backend: Backend) -> Parameters:
    arrays = Parameters({name: spec.shape for name, spec in specs.items()}, backend)
    arrays.load({name: spec.init(rng, spec.shape) for name, spec in specs.items()})
    return arrays
