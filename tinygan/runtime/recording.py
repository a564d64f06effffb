"""Array work written down as a flat list of NumPy calls, which later runs alone: the same numbers, without the Python.

While a recording is made, the arrays that the work is given and all that it makes are :class:`Traced`: every operation
is carried out, and written down as a call bound to its arrays. What the work decides in Python (shapes, numbers, which
way it goes) is decided once; what is to differ from run to run has to be in arrays that it is given.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from tinygan.runtime.arena import Arena

# NumPy's functions that take ``out``, and those that consist of calls that are written down, or make views.
WRITTEN_DOWN = np.concatenate, np.einsum
MADE_OF_THEM = {np.sum, np.clip, np.stack, np.split, np.array_split, np.swapaxes, np.tile, np.repeat, np.size, np.ndim}


class _Here(threading.local):
    recording: "Recording | None" = None  # the one that this thread is making


_here = _Here()


class Recording:
    """What some work did, to be done again.

    Raises:
        OSError: the system gives no memory for it (:class:`Arena`).
    """

    def __init__(self) -> None:
        self.arena = Arena()
        self.calls: list[Callable[[], object]] = []

    def make(self, work: Callable[..., Any], *inputs: np.ndarray) -> Any:
        """``work(*inputs)``, written down; its result, arrays that each :meth:`run` fills anew."""
        with _numpy_for(self):
            _here.recording = self
            try:
                return self.plain(work(*inputs))
            finally:
                _here.recording = None

    def run(self) -> None:
        """All of it again, in order."""
        with np.errstate(all="ignore"):
            for call in self.calls:
                call()

    def empty(self, shape: int | tuple[int, ...], dtype: np.dtype = np.float64) -> "Traced":
        """A new array, uninitialised."""
        return self.arena.array((shape,) if isinstance(shape, int) else tuple(shape), dtype, Traced)

    def new(self, value: np.ndarray | float, dtype: np.dtype) -> "Traced":
        """A new array with this value, which is not written down."""
        array = self.empty(np.shape(value), dtype)
        self.plain(array)[...] = value
        return array

    def do(self, function: Callable, *arguments: Any, **keywords: Any) -> Any:
        """One call, done and written down."""
        call = partial(function, *self.plain(arguments), **{name: self.plain(one) for name, one in keywords.items()})
        self.calls.append(call)
        return call()

    def fill(self, out: "Traced | None", function: Callable, *arguments: Any, **keywords: Any) -> "Traced":
        """The same for a call that takes ``out``; into a new array if there is none."""
        if out is None:
            result = function(*self.plain(arguments), **keywords)  # for its shape and type
            out = self.empty(np.shape(result), result.dtype)
        self.do(function, *arguments, out=out, **keywords)
        return out

    def keep(self, call: Callable[[], np.ndarray | None]) -> "Traced | None":
        """What a call returns that does not take ``out``; it is written down."""
        result = call()
        if result is None:
            self.calls.append(call)
            return None
        array = self.new(result, result.dtype)
        target = self.plain(array)
        self.calls.append(lambda: np.copyto(target, call()))
        return array

    def plain(self, value: Any) -> Any:
        """Arrays as NumPy's own, also those in lists and tuples; they keep no place of the arena taken."""
        if isinstance(value, list | tuple):
            return (list if isinstance(value, list) else tuple)(map(self.plain, value))
        return self.arena.unheld(value) if isinstance(value, np.ndarray) else value


class Traced(np.ndarray):
    """An array whose operations are written down; what would not be, or would decide by values, is refused.

    To other threads than the one that records it is an array like others: they may draw samples meanwhile.
    """

    def __array_ufunc__(self, ufunc, method, *inputs, out=(None,), **keywords):
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        if not _here.recording:
            inputs = [one.view(np.ndarray) if isinstance(one, Traced) else one for one in inputs]
            return function(*inputs, out=out if any(one is not None for one in out) else None, **keywords)
        return _here.recording.fill(out[0], function, *inputs, **keywords)

    def __array_function__(self, function, types, arguments, keywords):
        if not _here.recording:
            return super().__array_function__(function, types, arguments, keywords)
        if function is np.empty_like:
            return np.empty(self.shape, self.dtype)
        if function in WRITTEN_DOWN:
            return _here.recording.fill(keywords.pop("out", None), function, *arguments, **keywords)
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
            _here.recording.do(np.copyto, part, value)

    def reshape(self, *shape: Any) -> "Traced":
        view = super().reshape(*shape)
        if not _copied(view, self):
            return view
        copied = _here.recording.empty(view.shape, view.dtype)
        _here.recording.do(np.copyto, copied.reshape(self.shape), self)
        return copied

    def astype(self, dtype: np.dtype) -> "Traced":
        copied = _here.recording.empty(self.shape, dtype)
        _here.recording.do(np.copyto, copied, self, casting="unsafe")
        return copied

    def copy(self) -> "Traced":
        return self.astype(self.dtype)

    def repeat(self, repeats: int, axis: int | None = None) -> "Traced":
        return _here.recording.keep(partial(np.repeat, _here.recording.plain(self), repeats, axis))

    def _refused(self, what: Any = "this", *_: Any) -> Any:
        raise TypeError(f"{what} cannot be recorded")

    __bool__ = __float__ = fill = flatten = ravel = take = dot = _refused


def _while_recording(ours: Callable, usual: Callable) -> Callable:
    return lambda self, *a, **k: ours(self, *a, **k) if _here.recording else usual(self.view(np.ndarray), *a, **k)


for _name in (
    *("__getitem__", "__setitem__", "reshape", "astype", "copy", "repeat"),
    *("__bool__", "__float__", "fill", "flatten", "ravel", "take", "dot"),
):
    setattr(Traced, _name, _while_recording(getattr(Traced, _name), getattr(np.ndarray, _name)))


def active() -> bool:
    """Whether a recording is being made."""
    return _here.recording is not None


def whole(function: Callable, *arguments: Any) -> Any:
    """``function(*arguments)``, in a recording one call: for what waits for others, or decides anew each time.

    Its result is None, or an array that has the same shape each time.
    """
    if _here.recording is None:
        return function(*arguments)
    recording, _here.recording = _here.recording, None
    try:
        return recording.keep(partial(function, *recording.plain(arguments)))
    finally:
        _here.recording = recording


def _copied(view: np.ndarray, array: np.ndarray) -> bool:
    return view.size > 0 and not np.may_share_memory(view.view(np.ndarray), array.view(np.ndarray))


@contextmanager
def _numpy_for(recording: Recording) -> Iterator[None]:
    """Within it, NumPy's functions that make arrays of nothing, or forget their class, make Traced ones.

    In this thread: others gather batches meanwhile.
    """
    as_strided = np.lib.stride_tricks.as_strided
    empty, zeros, asarray, contiguous = np.empty, np.zeros, np.asarray, np.ascontiguousarray

    def traced_zeros(*arguments: Any) -> Traced:
        array = recording.empty(*arguments)
        recording.do(np.copyto, array, 0)
        return array

    def here(ours: Callable, theirs: Callable) -> Callable:
        return lambda *a, **k: (ours if _here.recording else theirs)(*a, **k)

    def of_traced(ours: Callable, theirs: Callable) -> Callable:
        return lambda x, *a, **k: (ours if _here.recording and isinstance(x, Traced) else theirs)(x, *a, **k)

    try:
        np.empty, np.zeros = here(recording.empty, empty), here(traced_zeros, zeros)
        np.asarray = of_traced(lambda x, dtype=None: x if dtype in (None, x.dtype) else x.astype(dtype), asarray)
        np.ascontiguousarray = of_traced(lambda x: x if x.flags.c_contiguous else x.copy(), contiguous)
        np.lib.stride_tricks.as_strided = of_traced(partial(as_strided, subok=True), as_strided)
        yield
    finally:
        np.empty, np.zeros, np.asarray, np.ascontiguousarray = empty, zeros, asarray, contiguous
        np.lib.stride_tricks.as_strided = as_strided
