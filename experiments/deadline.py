"""An end in time: when it comes, what is going on is interrupted as by Ctrl-C, which every long job answers."""

import _thread
import signal
import threading


class Deadline:
    """While this context is open, one interrupt comes after ``minutes``; None: none comes.

    Training saves everything and raises Stopped; a final test keeps the batches that it has finished.
    """

    def __init__(self, minutes: float | None):
        self.passed = False  # whether the time is up
        self._timer = None if minutes is None else threading.Timer(60 * minutes, self._interrupt)

    def __enter__(self) -> "Deadline":
        if self._timer:
            self._before = signal.getsignal(signal.SIGINT)
            if self._before == signal.SIG_IGN:  # as in a shell script's background, where the interrupt would be lost
                signal.signal(signal.SIGINT, signal.default_int_handler)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._timer:
            self._timer.cancel()
            signal.signal(signal.SIGINT, self._before)

    def _interrupt(self) -> None:
        self.passed = True
        _thread.interrupt_main()
