"""Read a pickled batch of arrays without letting the pickle run anything.

A pickle is a program: it may import any function and call it. The one here may name five things, which is all that a
dictionary with a NumPy array in it needs, and even these are not NumPy's own but inert stand-ins that only remember
what they were given. So no byte of the file reaches code outside this module and the standard unpickler; besides, NumPy
warns about the way in which Python 2 pickled its dtypes.
"""

import io
import pickle

import numpy as np

from tinygan.errors import TinyganError


class _DType:
    """Stands for numpy.dtype: remembers the type's code, such as ``u1``, and that its state was set."""

    def __init__(self, code: bytes | str, *_):
        self.code = code.decode() if isinstance(code, bytes) else code

    def __setstate__(self, state):
        pass  # byte order and padding, without meaning for the one-byte integers accepted below


class _Array:
    """Stands for the array that numpy's ``_reconstruct`` returns empty and ``__setstate__`` fills."""

    def __init__(self, *_):
        self.state = None

    def __setstate__(self, state):
        self.state = state

    def to_numpy(self) -> np.ndarray:
        _, shape, dtype, fortran_order, content = self.state
        if dtype.code != "u1":
            raise ValueError(f"an array has the type {dtype.code!r}, not 'u1' (uint8)")
        return np.frombuffer(content, np.uint8).reshape(shape, order="F" if fortran_order else "C")


def _encode(text: str, encoding: str) -> bytes:
    """Stands for ``_codecs.encode``, through which Python 3 writes bytes in the old protocols."""
    if encoding not in ("latin1", b"latin1"):
        raise ValueError(f"unexpected encoding {encoding!r}")
    return text.encode("latin1")


_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _DType,
    ("_codecs", "encode"): _encode,
}


class _Refused(Exception):
    """The pickle named something that a batch of images does not need."""


class _Unpickler(pickle._Unpickler):
    # The standard library's unpickler in Python, as fast on a batch as the one in C, which fills 64 GB with zeros on
    # meeting a ten-byte pickle with a large memo number. The one instruction that could make this one do so too
    # belongs to protocol 5 and is removed.
    dispatch = pickle._Unpickler.dispatch.copy()
    del dispatch[pickle.BYTEARRAY8[0]]

    def find_class(self, module: str, name: str):
        if (module, name) not in _ALLOWED:
            raise _Refused(f"{module}.{name}")
        return _ALLOWED[module, name]


def unpickle(content: bytes, name: str) -> dict:
    """The dictionary in ``content``: strings of Python 2 as bytes, arrays as NumPy arrays (uint8 only).

    Raises TinyganError, which begins with ``name``, where the pickle wants something else, is damaged, or holds no
    dictionary.
    """
    try:
        batch = _Unpickler(io.BytesIO(content), encoding="bytes").load()
        if not isinstance(batch, dict):
            raise ValueError(f"it holds a {type(batch).__name__}, not a dictionary")
        return {key: value.to_numpy() if isinstance(value, _Array) else value for key, value in batch.items()}
    except _Refused as error:
        raise TinyganError(
            f"{name} is a pickle that asks for {error}, which no batch of images needs; nothing was run; "
            "do not use this file, get it from its original source"
        ) from error
    except Exception as error:  # a damaged pickle can end in nearly any type of exception
        raise TinyganError(f"{name} is no readable batch ({type(error).__name__}: {error}); get it again") from error
