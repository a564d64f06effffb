"""Threads: a piece of work cut into tasks that run side by side on the CPU's cores.

NumPy releases the interpreter's lock while it computes, so threads are enough, as long as each operation of a task
takes longer than handing the lock over: some ten microseconds. So work is cut into few large pieces, about one per
thread. No two tasks write to the same place, and partial sums are added in a fixed order: the same number of threads
gives the same bits. OpenBLAS is told to use one thread (:func:`use_all_cores`): a task's products run on its own core.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
from threadpoolctl import threadpool_limits

from tinygan.errors import TinyganError
from tinygan.runtime.cores import core_count
from tinygan.runtime.scratch import begin_task

Task = Callable[[], None]

_workers: "list[_Worker]" = []
_busy = threading.Lock()  # held by the thread for which the workers work
processes = 1  # among which this one and its copies have divided the cores


class _Here(threading.local):
    queued: list[Task] | None = None  # tasks of this thread that batched_tasks() will run together


_here = _Here()


def use_all_cores(threads: int | None = None) -> None:
    """Run tasks on this many threads from now on (default: all cores, or this process's share), each product on one.

    Raises TinyganError if the system refuses them.
    """
    others = (threads or max(1, core_count() // processes)) - 1
    with _busy:  # another thread's work is done first
        while len(_workers) < others:
            _workers.append(_Worker())
        while len(_workers) > others:
            _workers.pop().work(None)
    threadpool_limits(1, "blas")


def _forget_workers() -> None:
    """In a forked process, which has no copies of the threads."""
    global _busy
    _busy = threading.Lock()
    _workers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_workers)


def thread_count() -> int:
    """How many threads :func:`run` works on."""
    return len(_workers) + 1


@contextmanager
def batched_tasks() -> Iterator[None]:
    """Within it :func:`run` queues its tasks; at the end all are run together, as one piece of work.

    For short pieces that do not need each other's results: waking the threads and waiting costs as much as one.
    """
    _here.queued, outer = [], _here.queued
    try:
        yield
        tasks = _here.queued
    finally:
        _here.queued = outer
    run(tasks)


def run(tasks: Iterable[Task], alone: bool = False) -> None:
    """Run all tasks, the calling thread among the workers, and return when the last is done.

    A task's exception is raised here, after all have ended. Not to be called within a task. The workers take one piece
    of work at a time: a thread that finds them busy with another's does its own alone. So it does with ``alone``, for
    work so short that waking them takes longer.
    """
    tasks = list(tasks)
    if _here.queued is not None:
        _here.queued.extend(tasks)
        return
    queue = iter(tasks)  # a list's iterator hands each task out once, whichever thread asks
    if alone or len(tasks) < 2 or not _workers or _busy.locked():
        _work(queue)
        return
    helpers: list[_Worker] = []
    with _busy:  # a statement, since an interrupt may come after a call of acquire() and before its result is noted
        try:
            for helper in _workers[: len(tasks) - 1]:
                helpers.append(helper)
                helper.work(queue)
            _work(queue)
        finally:
            errors = [helper.wait() for helper in helpers]
    for error in filter(None, errors):
        raise error


@contextmanager
def thread_started() -> Iterator[None]:
    """Around the call that starts a thread: TinyganError if the system refuses it."""
    try:
        yield
    except RuntimeError as error:  # what Python makes of a refusal
        fewer = "set OMP_NUM_THREADS=1 to need fewer, or " if core_count() > 1 else ""
        raise TinyganError(
            f"the system refuses a further thread ({error}): {fewer}raise the limit (ulimit -u, which counts all "
            "processes and threads of a user, or the container's limit on processes)"
        ) from error


class _Worker:
    """A thread that sleeps until it is given tasks. It is woken through a lock, the quickest way there is."""

    def __init__(self) -> None:
        self._begin = threading.Lock()
        self._begin.acquire()
        self._done = True
        self._error: BaseException | None = None
        with thread_started():
            threading.Thread(target=self._run, name="tinygan", daemon=True).start()

    def work(self, queue: Iterable[Task] | None) -> None:
        """Start on these tasks; None ends the thread."""
        if not self._done and isinstance(error := self.wait(), KeyboardInterrupt):  # a caller was kept from waiting
            raise error
        self._queue, self._error = queue, None
        self._end = threading.Lock()  # a new one, since an interrupted wait may have taken the last one or not
        self._end.acquire()
        self._done = False
        self._begin.release()

    def wait(self) -> BaseException | None:
        """Until the tasks are done; what one of them raised, or the interrupt that came meanwhile."""
        interrupt = None
        while not self._done:
            try:
                self._end.acquire()
            except KeyboardInterrupt as error:  # the tasks still write into arrays of their caller
                interrupt = error
        return interrupt or self._error

    def _run(self) -> None:
        while True:
            self._begin.acquire()
            if self._queue is None:
                return
            end = self._end
            try:
                _work(self._queue)
            except BaseException as error:
                self._error = error
            self._done = True
            end.release()


def _work(queue: Iterable[Task]) -> None:
    # NumPy's floating-point warnings are set per thread: the training loop looks for overflow itself.
    with np.errstate(all="ignore"):
        for task in queue:
            begin_task()
            task()
