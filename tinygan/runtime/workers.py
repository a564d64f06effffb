"""A process for each of the CPU's cores, all doing the same on their shards of a batch.

Threads would share one interpreter, which hands its lock over at every array operation: a training step on two threads
takes 1.2 times as long as on two processes (docs/design.md). So this process forks copies of itself. What they should
see of each other lies in shared memory (:func:`tinygan.runtime.collectives.shared_zeros`), everything else was copied.
"""

import ctypes
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import numpy as np

from tinygan.errors import TinyganError
from tinygan.runtime import threads
from tinygan.runtime.collectives import Collective, joined

FEWEST_IMAGES = 4  # of a shard: with 4 each, two processes still took 0.9 of the time that one took on two threads
SHUTDOWN_TIMEOUT = 5.0  # seconds

PR_SET_PDEATHSIG = 1  # the name of sys/prctl.h


def worker_count(images: int, device: str) -> int:
    """How many processes a batch of this size is shared among: 1 on a GPU, on one core, or with no fork to rely on."""
    if device != "cpu" or sys.platform != "linux":  # macOS has fork, but not together with its own matrix library
        return 1
    return max(1, min(threads.core_count(), images // FEWEST_IMAGES))


class WorkerGroup:
    """This process, member 0, and ``size − 1`` copies of it as it is now; a context manager that ends them.

    If one of them ends before, by a crash or for lack of memory, :meth:`run` raises. A workers of one is this process
    alone, and costs nothing.

    Args:
        context: what the functions of :meth:`run` get as first argument.
        size: number of members; the cores are divided among them.

    Raises:
        TinyganError: the system has no room for as many processes.
    """

    def __init__(self, context: Any, size: int):
        self.context, self.size = context, size
        self.helpers: list[_Helper] = []
        if size == 1:
            return
        try:
            self.collective = Collective(size)
            threads.use_all_cores(max(1, threads.core_count() // size))
            for member in range(1, size):
                self.helpers.append(self._fork(member))
        except OSError as error:  # no semaphores, no more processes, no memory for one
            self.close(at_once=True)
            raise TinyganError(
                f"no further process can be started ({error.strerror}): set OMP_NUM_THREADS=1 to compute in one"
            ) from error
        self.collective.look_around = self._look_around

    def __enter__(self) -> "WorkerGroup":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def run(self, function: Callable, arguments: Sequence[tuple]) -> list:
        """``function(context, *arguments[k])`` in member k; the results in order.

        There may be fewer tuples of arguments than members, if ``function`` needs no meeting.

        Raises:
            TinyganError: a member has ended.
            RuntimeError: ``function`` failed in another member, with its traceback.
            Exception: what ``function`` raised here. In all cases the workers is closed.
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
            self.close(at_once=True)  # the others may be waiting for one who will not come
            raise

    def close(self, at_once: bool = False) -> None:
        """End the other members, who are idle, or (``at_once``) whatever they are doing."""
        for helper in self.helpers:
            helper.close(at_once)
        self.helpers = []
        if self.size > 1:
            threads.use_all_cores()

    def _fork(self, member: int) -> "_Helper":
        ours, theirs = Pipe()
        with warnings.catch_warnings():
            # Python 3.12 warns that the copy lacks the other threads: it needs none of them.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            self._be_member(member, theirs)
        theirs.close()
        return _Helper(pid, ours)

    def _be_member(self, member: int, connection: Connection) -> NoReturn:
        """What the copy does: answer requests until the pipe is closed, and end without a trace."""
        try:
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # whatever it is doing, if member 0 is killed
            # Other signals are member 0's business: it finishes the iteration, saves, and lets the others go.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            _close_files_but(connection.fileno())  # a lock, say, is held as long as any process has the file open
            self.helpers, self.collective.rank = [], member
            threads.start_anew()
            with joined(self.collective), np.errstate(all="ignore"):
                while True:
                    function, arguments = connection.recv()
                    try:
                        answer = function(self.context, *arguments), None
                    except Exception as error:
                        answer = None, "".join(traceback.format_exception(error))
                    connection.send(answer)
        except (EOFError, OSError):
            os._exit(0)
        finally:
            os._exit(1)

    def _look_around(self) -> None:
        """While member 0 waits: raise if another has failed, since it will not come."""
        for helper in self.helpers:
            if helper.connection.poll():
                helper.answer()


class _Helper:
    """Another member, as member 0 sees it."""

    def __init__(self, pid: int, connection: Connection):
        self.pid, self.connection = pid, connection

    def send(self, request: tuple) -> None:
        try:
            self.connection.send(request)
        except OSError:
            self._report_end()

    def answer(self) -> Any:
        """Its function's result; raises if that failed, or if the process is no more."""
        try:
            result, failure = self.connection.recv()
        except (EOFError, OSError):
            self._report_end()
        if failure:
            raise RuntimeError(f"in process {self.pid}:\n{failure}")
        return result

    def close(self, at_once: bool) -> None:
        self.connection.close()
        if at_once and self._status() is None:
            os.kill(self.pid, signal.SIGKILL)
        until = time.monotonic() + SHUTDOWN_TIMEOUT
        while self._status() is None:
            if time.monotonic() > until:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.001)

    def _report_end(self) -> NoReturn:
        time.sleep(0.1)  # its pipe is closed a moment before it has ended
        code = self._status()
        how = f"by signal {-code}" if code and code < 0 else f"with code {code}"
        raise TinyganError(
            f"one of the processes that compute side by side ended ({how}): if memory ran out, take a smaller "
            "--batch-size, or set OMP_NUM_THREADS=1 to compute in one process"
        )

    def _status(self) -> int | None:
        """Exit code, or minus the signal that ended it; None while it runs."""
        if not hasattr(self, "_code"):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid == 0:
                return None
            self._code = os.waitstatus_to_exitcode(status)
        return self._code


def _close_files_but(kept: int) -> None:
    """Close everything above standard error that this process has inherited."""
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
