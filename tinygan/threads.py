"""The CPU's cores: a piece of work cut into tasks that run side by side, and scratch memory for each of them.

NumPy lets go of the interpreter while it computes, so threads are enough. How the work is cut depends on its size
alone, never on the number of threads, and no two tasks write to the same place: so the results are the same bits on
any number of cores, and nothing is summed in an order that chance decides.

Each task's matrix products run on its own core: OpenBLAS is told to use one thread (:func:`use_all_cores`), since
threads within threads get in each other's way.
"""

import math
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np
from threadpoolctl import threadpool_limits

Task = Callable[[], None]

_pool: ThreadPoolExecutor | None = None
_threads = 1


def core_count() -> int:
    """Cores that this process may use; fewer where OMP_NUM_THREADS or OPENBLAS_NUM_THREADS says so."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [os.environ.get(name, "") for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")]
    return min([allowed, *(int(limit) for limit in limits if limit.isdecimal() and int(limit) > 0)])


def use_all_cores(threads: int | None = None) -> None:
    """From now on, run tasks on this many threads (default: all cores), each product on one."""
    global _pool, _threads
    threads = threads or core_count()
    if _pool is not None:
        if threads == _threads:
            return
        _pool.shutdown()
    _threads = threads
    _pool = ThreadPoolExecutor(_threads - 1, "tinygan") if _threads > 1 else None
    threadpool_limits(1, "blas")


def run(tasks: Iterable[Task]) -> None:
    """Run all tasks, the calling thread among the workers, and return when the last is done.

    A task's exception is raised here, after all have ended.
    """
    queue = iter(list(tasks))  # a list's iterator hands each task out once, whichever thread asks
    helpers = [_pool.submit(_work, queue) for _ in range(_threads - 1)] if _pool else []
    try:
        _work(queue)
    finally:
        wait(helpers)
    for helper in helpers:
        helper.result()


def _work(queue: Iterable[Task]) -> None:
    # A worker starts with the caller's default: overflow is looked for by the training loop, not warned of.
    with np.errstate(all="ignore"):
        for task in queue:
            _scratch.used = 0
            task()


class _Scratch(threading.local):
    """One thread's memory for what a task needs only while it runs."""

    def __init__(self) -> None:
        self.block = np.empty(0, np.uint8)
        self.used = 0


_scratch = _Scratch()


def scratch(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An uninitialised array that is valid until the running task ends; the next task gets the same memory.

    To be called within a task only.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    start = -(-_scratch.used // 64) * 64  # a cache line
    if start + size > _scratch.block.size:
        # Arrays already handed out keep the old block alive; from the next task on all fit into the new one.
        _scratch.block = np.empty(max(2 * _scratch.block.size, start + size), np.uint8)
    _scratch.used = start + size
    return _scratch.block[start : start + size].view(dtype).reshape(shape)
