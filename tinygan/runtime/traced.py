"""The arrays of a recording: every operation on them is written down (``recording.py``)."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

# NumPy's functions that take ``out``, and those made of calls that are written down, or that only make views.
WRITTEN_DOWN = np.concatenate, np.einsum
MADE_OF_THEM = {np.sum, np.clip, np.stack, np.split, np.array_split, np.swapaxes, np.tile, np.repeat, np.size, np.ndim}


class _Here(threading.local):
    recording: Any = None  # the one that this thread is making


here = _Here()


class Traced(np.ndarray):
    """An array whose operations are written down; what would not be, or would decide by values, is refused."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=(None,), **keywords):
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        return here.recording.fill(out[0], function, *inputs, **keywords)

    def __array_function__(self, function, types, arguments, keywords):
        if function is np.empty_like:
            return np.empty(self.shape, self.dtype)
        if function in WRITTEN_DOWN:
            return here.recording.fill(keywords.pop("out", None), function, *arguments, **keywords)
        if function not in MADE_OF_THEM:
            self._refused(function.__name__)
        return super().__array_function__(function, types, arguments, keywords)

    def __getitem__(self, key: Any) -> "Traced":
        view = super().__getitem__(key)
        if not isinstance(view, np.ndarray):  # a number; as an array without axes it stays a part of this one
            view = super().__getitem__((*key, ...) if isinstance(key, tuple) else (key, ...))
        if _copied(view, self):
            self._refused("an index that copies")
        return view

    def __setitem__(self, key: Any, value: Any) -> None:
        part = self[key]
        if part.size:
            here.recording.do(np.copyto, part, value)

    def reshape(self, *shape: Any) -> "Traced":
        view = super().reshape(*shape)
        if not _copied(view, self):
            return view
        copied = here.recording.empty(view.shape, view.dtype)
        here.recording.do(np.copyto, copied.reshape(self.shape), self)
        return copied

    def astype(self, dtype: np.dtype) -> "Traced":
        copied = here.recording.empty(self.shape, dtype)
        here.recording.do(np.copyto, copied, self, casting="unsafe")
        return copied

    def copy(self) -> "Traced":
        return self.astype(self.dtype)

    def repeat(self, repeats: int, axis: int | None = None) -> "Traced":
        return here.recording.keep(partial(np.repeat, here.recording.plain(self), repeats, axis))

    def _refused(self, what: Any = "this", *_: Any) -> Any:
        raise TypeError(f"{what} cannot be recorded")

    __bool__ = __float__ = fill = flatten = ravel = take = dot = _refused


def _copied(view: np.ndarray, array: np.ndarray) -> bool:
    return view.size > 0 and not np.may_share_memory(view.view(np.ndarray), array.view(np.ndarray))


@contextmanager
def numpy_for(recording: Any) -> Iterator[None]:
    """Within it, NumPy's functions that make new arrays, or drop an array's class, make Traced ones.

    In this thread alone: others gather batches meanwhile.
    """
    as_strided = np.lib.stride_tricks.as_strided
    empty, zeros, asarray, contiguous = np.empty, np.zeros, np.asarray, np.ascontiguousarray

    def traced_zeros(*arguments: Any) -> Traced:
        array = recording.empty(*arguments)
        recording.do(np.copyto, array, 0)
        return array

    def inside(ours: Callable, theirs: Callable) -> Callable:
        return lambda *a, **k: (ours if here.recording else theirs)(*a, **k)

    def of_traced(ours: Callable, theirs: Callable) -> Callable:
        return lambda x, *a, **k: (ours if isinstance(x, Traced) else theirs)(x, *a, **k)

    try:
        np.empty, np.zeros = inside(recording.empty, empty), inside(traced_zeros, zeros)
        np.asarray = of_traced(lambda x, dtype=None: x if dtype in (None, x.dtype) else x.astype(dtype), asarray)
        np.ascontiguousarray = of_traced(lambda x: x if x.flags.c_contiguous else x.copy(), contiguous)
        np.lib.stride_tricks.as_strided = of_traced(partial(as_strided, subok=True), as_strided)
        yield
    finally:
        np.empty, np.zeros, np.asarray, np.ascontiguousarray = empty, zeros, asarray, contiguous
        np.lib.stride_tricks.as_strided = as_strided
