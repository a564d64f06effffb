"""An end in time: when it comes, what is going on is interrupted as by Ctrl-C, which every long job answers."""

import _thread
import signal
import threading
import time


class Deadline:
    """While this context is open, one interrupt comes after ``minutes``; None: none comes.

    Training saves everything and raises Stopped; a final test keeps the batches that it has finished.
    """

    def __init__(self, minutes: float | None):
        self._seconds = None if minutes is None else 60 * minutes

    @property
    def passed(self) -> bool:
        """Whether the time is up."""
        return self._seconds is not None and time.monotonic() >= self._end

    def __enter__(self) -> "Deadline":
        if self._seconds is not None:
            self._before = signal.getsignal(signal.SIGINT)
            if self._before == signal.SIG_IGN:  # as in a shell script's background, where the interrupt would be lost
                signal.signal(signal.SIGINT, signal.default_int_handler)
            self._end = time.monotonic() + self._seconds
            self._timer = threading.Timer(self._seconds, _thread.interrupt_main)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._seconds is not None:
            self._timer.cancel()
            signal.signal(signal.SIGINT, self._before)
