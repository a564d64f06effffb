"""All parameters of a network as one flat vector with named views.

One vector means one fused optimiser update, one finiteness check, one reduction between devices; the views mean that
layers and checkpoints never see the vector. Gradients and optimiser averages use the same class and layout.
"""

import math
from collections.abc import Collection, Mapping
from typing import NoReturn

import numpy as np

from tinygan.array import Array
from tinygan.device import Backend


class Parameters(dict[str, Array]):
    """A dict from name to array in which every array is a view of ``flat`` (P,): ``grads[name] += dw`` adds to that.

    An optimiser keeps those named in ``bounded``, the first ``bounded_size`` values of ``flat``, in [0, 1].
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], backend: Backend, bounded: Collection[str] = ()):
        super().__init__()
        self.backend, self.bounded = backend, tuple(bounded)
        self.bounded_size = sum(math.prod(shapes[name]) for name in self.bounded)
        self.flat: Array = backend.zeros(sum(math.prod(shape) for shape in shapes.values()))
        starts, start = {}, 0
        for name in sorted(shapes, key=lambda name: name not in self.bounded):  # stable: else in their order
            starts[name], start = start, start + math.prod(shapes[name])
        for name, shape in shapes.items():
            super().__setitem__(name, self.flat[starts[name] : starts[name] + math.prod(shape)].reshape(shape))

    def __setitem__(self, name: str, value: Array) -> None:
        # `grads[name] += dw` ends in this call with the view itself; anything else would leave the flat vector.
        if value is not self[name]:
            raise TypeError(f"parameter {name!r} is a view: write into it with [...] or +=")

    def __deepcopy__(self, copies: dict) -> NoReturn:
        raise TypeError("parameters are views that a network holds: make another network, and load(store.to_host())")

    def seen_as(self, kind: type[Array]) -> "Parameters":
        """The same memory as arrays of this class."""
        twin = Parameters({}, self.backend)
        twin.__dict__.update(self.__dict__, flat=self.flat.view(kind))
        twin.update({name: view.view(kind) for name, view in self.items()})
        return twin

    def zeros_like(self) -> "Parameters":
        """New storage of the same names and shapes, all zero."""
        return Parameters({name: view.shape for name, view in self.items()}, self.backend, self.bounded)

    def check(self, values: Mapping[str, np.ndarray]) -> None:
        """Raise ValueError unless ``values`` has exactly these names and shapes."""
        if set(values) != set(self):
            missing, extra = sorted(set(self) - set(values)), sorted(set(values) - set(self))
            raise ValueError(f"names differ: missing {missing[:3]}, unexpected {extra[:3]}")
        for name, view in self.items():
            if view.shape != values[name].shape:
                raise ValueError(f"{name} has shape {values[name].shape}, expected {view.shape}")

    def load(self, values: Mapping[str, np.ndarray]) -> None:
        """Overwrite every view with the host array of the same name, after :meth:`check`."""
        self.check(values)
        for name, view in self.items():
            view[...] = self.backend.to_device(values[name])

    def to_host(self) -> dict[str, np.ndarray]:
        """Copies of all views as host arrays."""
        return {name: np.array(self.backend.to_host(view)) for name, view in self.items()}
