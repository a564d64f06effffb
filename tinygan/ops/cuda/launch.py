"""CUDA sources compiled once per precision and set of constants, and launched with one thread per element of work."""

import functools
from collections.abc import Callable
from importlib import resources
from types import ModuleType

import numpy as np

from tinygan.array import Array, array_module
from tinygan.errors import TinyganError
from tinygan.ops.reference import ceil_div

BLOCK = 256  # threads per block
COUNTABLE = 2**31  # elements that 32-bit indices count, with room for one more round of a loop
REAL = {"float32": "float", "float64": "double"}
Constants = tuple[tuple[str, int], ...]  # (name in the source, value)


def launch(file: str, kernel: str, threads: int, *arguments: Array | float | int, **constants: int) -> None:
    """Run ``kernel`` of ``<file>.cu`` with at least ``threads`` threads, on the current stream.

    An int arrives as ``index_t``, a float as REAL, an array as a pointer. The last argument is an array that is written
    to, and its type is REAL. ``constants`` are known to the compiler; the source is compiled for each set, once per
    machine, since CuPy keeps the results. Raises TinyganError: more elements than 32-bit indices count; ValueError: an
    array that is not contiguous, or of another type (a defect of the caller).
    """
    if threads:
        blocks = ceil_div(countable(threads), BLOCK)
        out = arguments[-1]
        function = _function(array_module(out), file, kernel, out.dtype, tuple(constants.items()))
        function((blocks,), (BLOCK,), tuple(_argument(value, kernel, out.dtype) for value in arguments))


def source(name: str) -> str:
    """The CUDA source ``<name>.cu`` with the prelude in front, and line numbers of the file itself."""
    folder = resources.files(__package__)
    prelude, text = ((folder / file).read_text(encoding="utf-8") for file in ("prelude.cuh", f"{name}.cu"))
    return f'#define BLOCK {BLOCK}\n{prelude}\n#line 1 "{name}.cu"\n{text}'


def definitions(dtype: np.dtype, constants: Constants = ()) -> tuple[str, ...]:
    """The compiler's options for arrays of ``dtype``."""
    return (f"-DREAL={REAL[np.dtype(dtype).name]}", *(f"-D{name}={value}" for name, value in constants))


def countable(elements: int) -> int:
    """``elements``; TinyganError if that is more than 32-bit indices count."""
    if elements >= COUNTABLE:
        raise TinyganError(
            f"an array of {elements:,} elements is more than the GPU kernels count ({COUNTABLE - 1:,}): "
            "use a smaller --batch-size"
        )
    return elements


@functools.cache
def _module(xp: ModuleType, name: str, dtype: np.dtype, constants: Constants):
    return xp.RawModule(code=source(name), options=definitions(dtype, constants))


@functools.cache
def _function(xp: ModuleType, name: str, kernel: str, dtype: np.dtype, constants: Constants) -> Callable:
    return _module(xp, name, dtype, constants).get_function(kernel)


def _argument(value: Array | float | int, kernel: str, real: np.dtype) -> Array:
    if isinstance(value, int):
        return np.uint32(countable(value))
    if isinstance(value, float):
        return real.type(value)
    if not value.flags.c_contiguous:
        raise ValueError(f"{kernel}: an array of shape {value.shape} is not contiguous: make it so in its layer")
    if value.dtype.kind == "f":
        if value.dtype != real:
            raise ValueError(f"{kernel}: an array of {value.dtype} among arrays of {real}")
        countable(value.size)
    return value
