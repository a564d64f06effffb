"""A process for each of the CPU's cores, all doing the same on their shards of a batch.

Threads share one interpreter, whose lock is handed over at every array operation: a training step on two threads takes
1.2 times as long as on two processes (docs/design.md). So this process forks copies of itself. What they are to see of
each other lies in shared memory (:func:`tinygan.runtime.sharedmemory.shared_zeros`); everything else is copied.
"""

import gc
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import numpy as np

from tinygan.errors import TinyganError
from tinygan.runtime import threads
from tinygan.runtime.collectives import joined
from tinygan.runtime.sharedmemory import Collective
from tinygan.signals import follow_parent, held_back

FEWEST_IMAGES = 4  # of a shard: with 4 each, two processes still took 0.9 of the time that one took on two threads
SHUTDOWN_TIMEOUT = 5.0  # seconds that a worker has to exit by itself, and to disappear once it is killed


def worker_count(images: int, device: str) -> int:
    """How many processes a batch of this size is shared among: 1 on a GPU, on one core, or with no fork to rely on."""
    if device != "cpu" or sys.platform != "linux":  # macOS can fork, but not with its own matrix library
        return 1
    return max(1, min(threads.core_count(), images // FEWEST_IMAGES))


class WorkerGroup:
    """This process, rank 0, and ``size − 1`` copies of it as it is now; a context manager that ends them.

    The cores are divided among them. If a copy crashes or runs out of memory, :meth:`run` raises. A group of one is
    this process alone, and costs nothing. ``context`` is the first argument of the functions that :meth:`run` gets.
    Raises TinyganError where the system has no room for that many processes or threads.
    """

    def __init__(self, context: Any, size: int):
        self.context, self.size = context, size
        self.helpers: list[_Helper] = []
        self._sharers = 1  # of what were this process's cores
        if size == 1:
            return
        try:
            self.collective = Collective(size)
            threads.processes, self._sharers = threads.processes * size, size
            threads.use_all_cores()
            for rank in range(1, size):
                self.helpers.append(self._fork(rank))
        except BaseException as error:
            self.close(at_once=True)
            if isinstance(error, OSError):  # no semaphores, no more processes, no memory for one
                raise TinyganError(
                    f"no further process can be started ({error.strerror}): set OMP_NUM_THREADS=1 to compute in one"
                ) from error
            raise
        self.collective.look_around = self._look_around

    def __enter__(self) -> "WorkerGroup":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def run(self, function: Callable, arguments: Sequence[tuple]) -> list:
        """``function(context, *arguments[k])`` in rank k; the results in order.

        There may be fewer tuples of arguments than ranks, if ``function`` calls no collective. Raises what ``function``
        raised here, TinyganError if another process has exited, RuntimeError, with its traceback, if ``function``
        failed in one. In all cases the group is closed.
        """
        if self.size == 1:
            return [function(self.context, *arguments[0])]
        helpers = self.helpers[: len(arguments) - 1]
        try:
            for helper, request in zip(helpers, arguments[1:], strict=True):
                helper.send((function, request))
            with joined(self.collective):
                own = function(self.context, *arguments[0])
            return [own, *(helper.answer() for helper in helpers)]
        except BaseException:
            self.close(at_once=True)  # the others may be waiting for one that has exited
            raise

    def close(self, at_once: bool = False) -> None:
        """End the other processes, which are idle, or (``at_once``) whatever they are doing."""
        for helper in self.helpers:
            helper.close(at_once)
        self.helpers = []
        if self.size > 1:
            threads.processes, self._sharers = threads.processes // self._sharers, 1
            threads.use_all_cores()

    def _fork(self, rank: int) -> "_Helper":
        ours, theirs = Pipe()
        with held_back(), warnings.catch_warnings():
            # Python 3.12 warns that the copy lacks the other threads: it needs none of them.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
            if pid == 0:
                self._serve(rank, theirs)
        theirs.close()
        return _Helper(pid, ours)

    def _serve(self, rank: int, connection: Connection) -> NoReturn:
        """What the copy does: answer requests until the pipe is closed, and exit without a trace."""
        try:
            follow_parent()  # that one finishes the iteration, saves, and then ends this one
            gc.freeze()  # what the parent left to be collected must not be freed here: CUDA's handles, say
            _close_files_but(connection.fileno())  # a lock, say, is held as long as any process has the file open
            self.helpers, self.collective.rank = [], rank
            refused = outcome(threads.use_all_cores)
            if refused[1]:
                connection.send(refused)
                os._exit(1)
            with joined(self.collective), np.errstate(all="ignore"):
                while True:
                    function, arguments = connection.recv()
                    connection.send(outcome(function, self.context, *arguments))
        except (EOFError, OSError):
            os._exit(0)
        finally:
            os._exit(1)

    def _look_around(self) -> None:
        """While rank 0 waits: raise if another process has failed or exited."""
        for helper in self.helpers:
            if helper.connection.poll():
                helper.answer()


def outcome(function: Callable, *arguments: Any) -> tuple[Any, Exception | None]:
    """What a worker answers: the function's result, or the error as its parent can raise it."""
    try:
        return function(*arguments), None
    except (TinyganError, OSError, MemoryError) as error:
        return None, error
    except Exception as error:  # a defect: the traceback belongs to this process
        return None, RuntimeError(f"in process {os.getpid()}:\n{''.join(traceback.format_exception(error))}")


def how_ended(code: int | None) -> str:
    """A process's exit code in words, as :func:`os.waitstatus_to_exitcode` gives it."""
    if code is None:
        return "nobody knows how"
    return f"by signal {-code}" if code < 0 else f"with code {code}"


class _Helper:
    """Another rank, as rank 0 sees it."""

    def __init__(self, pid: int, connection: Connection):
        self.pid, self.connection = pid, connection
        self._exited, self._code = False, None

    def send(self, request: tuple) -> None:
        try:
            self.connection.send(request)
        except OSError:
            self.answer()  # raises why it has exited

    def answer(self) -> Any:
        """Its function's result; raises if that failed, or if the process has exited."""
        try:
            result, error = self.connection.recv()
        except (EOFError, OSError):
            self._report_exit()
        if error:
            raise error
        return result

    def close(self, at_once: bool) -> None:
        self.connection.close()
        if not self._exits_within(0.0 if at_once else SHUTDOWN_TIMEOUT):
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._exits_within(SHUTDOWN_TIMEOUT)

    def _report_exit(self) -> NoReturn:
        self._exits_within(1.0)  # its pipe is closed a moment before
        raise TinyganError(
            f"one of the processes that compute side by side ended ({how_ended(self._code)}): if memory ran out, take "
            "a smaller --batch-size, or set OMP_NUM_THREADS=1 to compute in one process"
        )

    def _exits_within(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while not self._exited:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # SIGCHLD is ignored here: the system keeps no exit codes
                self._exited = True
                break
            if pid:
                self._exited, self._code = True, os.waitstatus_to_exitcode(status)
            elif time.monotonic() >= until:
                break
            else:
                time.sleep(0.001)
        return self._exited


def _close_files_but(kept: int) -> None:
    """Close everything above standard error that this process has inherited.

    Going through all numbers up to the limit takes minutes where that is 2³⁰ and the call for ranges is refused.
    """
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != kept:
            with suppress(OSError):  # the folder's own, which is closed by now
                os.close(int(name))
