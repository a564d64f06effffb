"""A command in a process group of its own, with a limit on its time and on how much of its output is kept.

Whether it fails, crashes, hangs, prints without end or leaves processes behind: the caller gets an :class:`Outcome` in
bounded time, and none of its processes goes on running.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tinygan.text import printable

FIRST, LAST = 2**19, 2**16  # bytes of the output that are kept: its beginning and its end
LINES, LINE = 12, 200  # last lines, and characters of one, that an outcome has
GRACE = 10.0  # seconds for what is asked to end, before it is killed
LOOK = 0.2  # seconds between two looks at a process that says nothing


class Outcome(NamedTuple):
    """How a command ended.

    Attributes:
        status: "passed", "failed", "crashed" (by a signal), "out of time" or "stopped" (by the caller).
        exit: its exit code, minus the signal's number if one ended it; None if it could not be begun.
    """

    status: str
    exit: int | None
    seconds: float
    last: list[str]


def run(command: Sequence[str], log: Path, limit: float, stop: Callable[[], bool] = lambda: False) -> Outcome:
    """Run ``command``, its output in ``log``, for at most ``limit`` seconds and some for its end.

    Args:
        stop: whether to end it early; asked several times a second.
    """
    began = time.monotonic()
    with open(log, "wb") as file:
        output = _Output(file)
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            output.take(f"{command[0]}: {error.strerror}\n".encode())
            return Outcome("failed", None, 0.0, output.finish())
        early = ""
        try:
            with process.stdout:
                early = _follow(process, output, began + limit, stop)
        finally:
            _end(process.pid)
            process.wait()
        status = "crashed" if process.returncode < 0 else "failed" if process.returncode else "passed"
        return Outcome(early or status, process.returncode, time.monotonic() - began, output.finish())


def _follow(process: subprocess.Popen, output: "_Output", until: float, stop: Callable[[], bool]) -> str:
    """Take its output until it has ended; why it was not waited for, or an empty string."""
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        while not stop():
            if time.monotonic() >= until:
                return "out of time"
            if ready.get_map() and ready.select(LOOK):
                said = os.read(process.stdout.fileno(), 2**16)
                output.take(said)
                if not said:
                    ready.unregister(process.stdout)
            # Processes that it left behind may hold the pipe open: then nothing more is waited for.
            elif _ended(process.pid):
                return ""
            elif not ready.get_map():
                time.sleep(LOOK)
    return "stopped"


def _ended(pid: int) -> bool:
    """Whether the process is over. It stays a zombie, so that its number is not given away before :func:`_end`."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(group: int) -> None:
    """End all processes of the group: by request if the first one still runs, then by force."""
    until = time.monotonic() + GRACE
    if not _ended(group):
        os.killpg(group, signal.SIGTERM)
    while not _ended(group) and time.monotonic() < until:
        time.sleep(LOOK / 10)
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses where only the zombie is left
        os.killpg(group, signal.SIGKILL)


class _Output:
    """The first bytes go to the file as they come, of the rest the last ones at the end."""

    def __init__(self, file) -> None:
        self.file, self.written, self.dropped, self.tail = file, 0, 0, b""

    def take(self, said: bytes) -> None:
        first = said[: FIRST - self.written]
        self.file.write(first)
        self.file.flush()
        self.written += len(first)
        self.tail += said
        self.dropped += len(said) - len(first)
        self.tail = self.tail[-LAST:]

    def finish(self) -> list[str]:
        """Write the end; the last lines, each as a terminal may be shown it."""
        if self.dropped:
            rest = self.tail[-self.dropped :]
            if self.dropped > len(rest):
                self.file.write(f"\n[{self.dropped - len(rest):,} bytes are left out]\n".encode())
            self.file.write(rest)
        lines = self.tail.decode(errors="replace").splitlines()
        return [printable(line)[:LINE] for line in lines[-LINES:]]
