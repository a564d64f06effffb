"""The CPU's cores: a piece of work cut into tasks that run side by side, and scratch memory for each of them.

NumPy lets go of the interpreter while it computes, so threads are enough, as long as a task's single operations take
longer than handing the interpreter over: some ten microseconds. So work is cut into few large pieces, about one for
each thread. No two tasks write to the same place, and partial sums are added in their order: the same work on the same
number of threads gives the same bits.

Each task's matrix products run on its own core: OpenBLAS is told to use one thread (:func:`use_all_cores`), since
threads within threads get in each other's way.
"""

import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
from threadpoolctl import threadpool_limits

Task = Callable[[], None]

_workers: "list[_Worker]" = []
_noted: list[Task] | None = None  # tasks of the pieces that are to be run batched_tasks


def allowed_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def core_count() -> int:
    """Cores to compute on: all allowed, or fewer where OMP_NUM_THREADS or OPENBLAS_NUM_THREADS says so."""
    limits = [os.environ.get(name, "") for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")]
    return min([allowed_cores(), *(int(limit) for limit in limits if limit.isdecimal() and int(limit) > 0)])


def use_all_cores(threads: int | None = None) -> None:
    """From now on, run tasks on this many threads (default: all cores), each product on one."""
    others = (threads or core_count()) - 1
    while len(_workers) < others:
        _workers.append(_Worker())
    while len(_workers) > others:
        _workers.pop().work(None)
    threadpool_limits(1, "blas")


def start_anew() -> None:
    """In a forked process: the threads were not copied, only what was known of them; start as many again."""
    others = len(_workers)
    _workers.clear()
    use_all_cores(others + 1)


def thread_count() -> int:
    """On how many threads :func:`run` works."""
    return len(_workers) + 1


@contextmanager
def batched_tasks() -> Iterator[None]:
    """Within it :func:`run` only takes note of its tasks; at the end all are run as one piece of work.

    Waking the threads and waiting for the last one costs as much as a short piece of work itself. For pieces that do
    not need each other's results.
    """
    global _noted
    _noted, noted = [], _noted
    try:
        yield
        noted, _noted = _noted, noted
    except BaseException:
        _noted = noted
        raise
    run(noted)


def run(tasks: Iterable[Task], alone: bool = False) -> None:
    """Run all tasks, the calling thread among the workers, and return when the last is done.

    A task's exception is raised here, after all have ended. Not to be called within a task, nor from two threads at
    once: the workers take one piece of work at a time.

    Args:
        alone: leave the other threads asleep: for work so short that waking them takes longer.
    """
    tasks = list(tasks)
    if _noted is not None:
        _noted.extend(tasks)
        return
    queue = iter(tasks)  # a list's iterator hands each task out once, whichever thread asks
    helpers = [] if alone else _workers[: len(tasks) - 1]
    for helper in helpers:
        helper.work(queue)
    try:
        _work(queue)
    finally:
        errors = [helper.wait() for helper in helpers]
    for error in filter(None, errors):
        raise error


class _Worker:
    """A thread that sleeps until it is given tasks. Two locks are all it needs, and the quickest way to wake it."""

    def __init__(self) -> None:
        self._begin, self._end = threading.Lock(), threading.Lock()
        self._begin.acquire()
        self._end.acquire()
        threading.Thread(target=self._run, name="tinygan", daemon=True).start()

    def work(self, queue: Iterable[Task] | None) -> None:
        """Start on these tasks; None ends the thread."""
        self._queue = queue
        self._begin.release()

    def wait(self) -> BaseException | None:
        """Until the tasks are done; what one of them raised."""
        self._end.acquire()
        return self._error

    def _run(self) -> None:
        while True:
            self._begin.acquire()
            if self._queue is None:
                return
            self._error = None
            try:
                _work(self._queue)
            except BaseException as error:
                self._error = error
            self._end.release()


def _work(queue: Iterable[Task]) -> None:
    # Errors of floating point are NumPy's per thread: overflow is looked for by the training loop, not warned of.
    with np.errstate(all="ignore"):
        for task in queue:
            _scratch.begin()
            task()


class _Scratch(threading.local):
    """One thread's memory for what a task needs only while it runs."""

    released = 0  # how often all threads were told to give theirs back

    def __init__(self) -> None:
        self.block, self.used, self.most, self.age = np.empty(0, np.uint8), 0, 0, 0

    def begin(self) -> None:
        """Make all of it free for the next task, and as large as any task so far wanted it."""
        if self.age != _Scratch.released:
            self.most, self.age = 0, _Scratch.released
        if self.block.size != self.most:
            self.block = None  # first, so that there are not two
            self.block = np.empty(self.most, np.uint8)
        self.used = 0


_scratch = _Scratch()


def release_scratch() -> None:
    """Have every thread give its scratch memory back when it begins its next task."""
    _Scratch.released += 1


def scratch(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An uninitialised array that is valid until the running task ends; the next task gets the same memory.

    To be called within a task only.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    start = -(-_scratch.used // 64) * 64  # a cache line
    _scratch.used = start + size
    if _scratch.used <= _scratch.block.size:
        return _scratch.block[start : _scratch.used].view(dtype).reshape(shape)
    _scratch.most = max(_scratch.most, _scratch.used)
    return np.empty(shape, dtype)  # this once; from the next task on there is room
