"""Signals that ask for an end: Ctrl-C, SIGTERM, and SIGHUP, the end of the terminal or of the ssh session.

A script answers them at once (:func:`begin_script`), a long job where it can stop, between two iterations or blocks
(:class:`StopRequest`), and the processes that a job makes leave them to the job (:func:`held_back`,
:func:`follow_parent`, :func:`ignore_ends`).
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
HANGUP = getattr(signal, "SIGHUP", None)
PR_SET_PDEATHSIG = 1  # the name of sys/prctl.h

_in_main = False  # whether a script's main runs, which can tidy up after a KeyboardInterrupt


def begin_script() -> None:
    """A script's first act, before its imports: from here on Ctrl-C ends it with one line and exit code 130.

    Also takes back that its parent ignores SIGCHLD: then nobody learns how a process of ours has ended.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # in the background it is ignored
        signal.signal(signal.SIGINT, _interrupt)
    if hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


@contextmanager
def main_runs() -> Iterator[None]:
    """Within it Ctrl-C is a KeyboardInterrupt, except during imports."""
    global _in_main
    _in_main = True
    try:
        yield
    finally:
        _in_main = False


def _interrupt(number: int, frame: FrameType | None) -> None:
    """KeyboardInterrupt, or the end: an import would turn the exception into another one, or lose it."""
    importing = not _in_main
    while frame and not importing:
        importing = frame.f_code.co_filename == "<frozen importlib._bootstrap>"
        frame = frame.f_back
    if not importing:
        raise KeyboardInterrupt
    line, code = "interrupted", 128 + number
    try:
        threading.Thread(target=int).start()
    except RuntimeError as error:  # then it was not Ctrl-C: OpenBLAS raises this signal if it is refused its threads
        line, code = f"error: {error}: set OPENBLAS_NUM_THREADS=1 to need fewer, or raise the limit (ulimit -u)", 1
    if sys.stderr is not None:
        os.write(2, f"{line}\n".encode())
    os._exit(code)


class StopRequest:
    """While this context is open, the first of each signal of ``ENDING`` is a request; a second one acts as usual.

    Several come at once where a session or the system ends: SIGTERM and SIGHUP are one request then.

    SIGHUP stays ignored where it was, as under nohup. Otherwise it means that the terminal is gone: what would be
    written to it is dropped from then on. In another thread than the main one nothing is heard.
    """

    def __enter__(self) -> "StopRequest":
        self.number: int | None = None  # that of the first signal
        self._terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]
        heard = [n for n in ENDING if n != HANGUP or signal.getsignal(n) is not signal.SIG_IGN]
        if threading.current_thread() is not threading.main_thread():  # only that one may, and gets them
            heard = []
        self._previous = {number: signal.signal(number, self._note) for number in heard}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def asked(self) -> bool:
        """Whether such a signal has come."""
        return self.number is not None

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = self.number or number
        signal.signal(number, self._previous[number])
        if number == HANGUP:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for descriptor in self._terminals:
                os.dup2(nowhere, descriptor)
            os.close(nowhere)


@contextmanager
def held_back() -> Iterator[None]:
    """Signals of ``ENDING`` to this thread arrive after the block; a process that is begun in it is deaf to them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def follow_parent() -> None:
    """In a process begun within :func:`held_back`: ignore what asks for an end, and end with the parent (on Linux)."""
    ignore_ends()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def ignore_ends() -> None:
    """Leave what asks for an end to another process, which will end this one."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
