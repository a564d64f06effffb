"""Worker processes that answer requests, started anew instead of forked; whatever happens to them, all ends.

Each has one pipe and one request at a time: there are no threads, locks or semaphores that a killed process could leave
behind or keep others waiting at.
"""

import errno
import os
import subprocess
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from tinygan.errors import TinyganError
from tinygan.runtime.workers import SHUTDOWN_TIMEOUT, how_ended, outcome
from tinygan.signals import follow_parent, held_back

POLL = 0.2  # seconds after which to ask again whether to stop
# A worker multiplies no matrices: without this, its library starts a thread for each core.
ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}


class WorkerEnded(Exception):
    """A worker exited before it had answered; the message says how."""


class Pool:
    """``processes`` workers, ended at once when the context ends; TinyganError where the system refuses one."""

    def __init__(self, processes: int):
        if os.name == "nt":
            line = "Windows gives no pipe to the processes that decode images: prepare the set on Linux, macOS or WSL"
            raise TinyganError(f"{line}; train.py reads it anywhere")
        self.workers: list[_Worker] = []
        try:
            for _ in range(processes):
                self.workers.append(_Worker())
        except BaseException as error:
            self.__exit__()
            if isinstance(error, OSError):
                limit = "-n" if error.errno in (errno.EMFILE, errno.ENFILE) else "-u"
                raise TinyganError(
                    f"the system refuses a process to decode images ({error.strerror}): "
                    f"{'give fewer --processes, or ' if processes > 1 else ''}raise the limit (ulimit {limit})"
                ) from error
            raise

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *exception: object) -> None:
        with held_back():
            for worker in self.workers:
                worker.process.kill()
            for worker in self.workers:
                worker.connection.close()
                with suppress(subprocess.TimeoutExpired):
                    worker.process.wait(SHUTDOWN_TIMEOUT)

    def in_order(
        self, function: Callable, requests: Iterable[tuple], stopped: Callable[[], bool] = lambda: False
    ) -> Iterator[Any]:
        """``function(*request)`` for each request, in their order; no more once ``stopped()`` is true.

        A failure is raised when its turn has come, so the first one in that order is the one that is raised: as
        WorkerEnded where the worker exited, what ``function`` raised, or RuntimeError with the traceback of a defect.
        """
        requests, busy = iter(requests), deque()
        idle = list(self.workers)
        while not stopped():
            while idle and (request := next(requests, None)) is not None:
                busy.append(idle.pop())
                busy[-1].send((function, request))
            if not busy:
                return
            if busy[0].connection.poll(POLL):
                idle.append(busy.popleft())
                result, error = idle[-1].answer()
                if error:
                    raise error
                yield result


class _Worker:
    """A worker, as the process that started it sees it."""

    def __init__(self) -> None:
        self.connection, theirs = Pipe()
        command = f"import sys; sys.path[:] = {sys.path!r}; from tinygan.dataprep.pool import serve; "
        with theirs, held_back():
            self.process = subprocess.Popen(
                [sys.executable, "-c", f"{command}serve({theirs.fileno()})"],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=os.environ | ENVIRONMENT,
            )

    def send(self, request: tuple) -> None:
        with suppress(OSError):  # it has exited: answer() says so
            self.connection.send(request)

    def answer(self) -> tuple[Any, Exception | None]:
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(1)  # its pipe is closed a moment before
            return None, WorkerEnded(how_ended(self.process.returncode))


def serve(descriptor: int) -> None:
    """What a worker does: answer the requests that come through this pipe, until it is closed."""
    follow_parent()
    warnings.simplefilter("ignore")
    connection = Connection(descriptor)
    with suppress(EOFError, OSError):
        while True:
            function, arguments = connection.recv()
            connection.send(outcome(function, *arguments))
