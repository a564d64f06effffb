"""Ctrl-C and SIGTERM as a request that a long job answers where it can stop: between two iterations or blocks."""

import signal
from types import FrameType


class StopRequest:
    """While this context is open, the first SIGINT or SIGTERM only sets ``number``; a second one acts as usual.

    Attributes:
        number: the signal's number, or None while nobody asked.
    """

    def __enter__(self) -> "StopRequest":
        self.number: int | None = None
        self._previous = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *exception: object) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
