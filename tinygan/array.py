"""What an array is: NumPy's on the host, CuPy's on the GPU, and which of the two a given one is."""

from types import ModuleType
from typing import Any

import numpy as np

Array = Any  # a NumPy or CuPy array; shapes are in the docstrings, by axis letter


def array_module(x: Array) -> ModuleType:
    """``numpy`` for host arrays and scalars, ``cupy`` for device arrays.

    >>> array_module(np.zeros(3)).__name__
    'numpy'
    """
    if isinstance(x, np.ndarray | np.generic | float | int):
        return np
    import cupy

    return cupy
