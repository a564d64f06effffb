"""Array work written down as a flat list of NumPy calls, which later runs alone: the same numbers, without the Python.

While a recording is made, the arrays that the work is given and all that it makes are :class:`Traced`: every operation
is carried out, and written down as a call bound to its arrays. What the work decides in Python (shapes, numbers,
branches) is decided once; whatever is to differ from run to run has to be in the arrays that it is given.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tinygan.runtime.arena import Arena
from tinygan.runtime.traced import Traced, here, numpy_for


class Recording:
    """What some work did, to be done again. Raises OSError where the system gives no memory for it (:class:`Arena`)."""

    def __init__(self) -> None:
        self.arena = Arena()
        self.calls: list[Callable[[], object]] = []

    def make(self, work: Callable[..., Any], *inputs: np.ndarray) -> Any:
        """``work(*inputs)``, written down; its result, arrays that each :meth:`run` fills anew."""
        with numpy_for(self):
            here.recording = self
            try:
                return self.plain(work(*inputs))
            finally:
                here.recording = None

    def run(self) -> None:
        """All of it again, in order."""
        with np.errstate(all="ignore"):
            for call in self.calls:
                call()

    def empty(self, shape: int | tuple[int, ...], dtype: np.dtype = np.float64) -> "Traced":
        """A new array, uninitialised."""
        return self.arena.array((shape,) if isinstance(shape, int) else tuple(shape), dtype, Traced)

    def new(self, value: np.ndarray | float, dtype: np.dtype) -> "Traced":
        """A new array with this value; that it was filled is not written down."""
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
        """The same for a call that returns None, or an array without taking ``out``."""
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


def active() -> bool:
    """Whether a recording is being made."""
    return here.recording is not None


def whole(function: Callable, *arguments: Any) -> Any:
    """``function(*arguments)`` as one call of a recording: for what waits for others, or decides anew each time.

    It returns None, or an array of the same shape each time.
    """
    if here.recording is None:
        return function(*arguments)
    recording, here.recording = here.recording, None
    try:
        return recording.keep(partial(function, *recording.plain(arguments)))
    finally:
        here.recording = recording
