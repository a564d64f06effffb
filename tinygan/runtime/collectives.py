"""Where the processes of a worker group wait for each other, and exchange what all of them need.

The same function runs in every process (a *rank*), each on its shard of a batch. Where it needs what the others have,
it calls a collective: :func:`barrier`, or :func:`all_gather`. In a process that works alone both return at once, so
the code that calls them reads the same for one process and for many. :mod:`tinygan.runtime.workers` starts the ranks.
"""

import ctypes
import mmap
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np

ROOM = 2**16  # values that a rank can give at once: more than twice the channels of any layer
SPINS = 200  # looks at a semaphore before going to sleep: being woken takes longer than most waits last
PATIENCE = 1.0  # seconds of sleep after which to check whether the others are still running
CACHE_LINE = 64  # bytes; also room enough for any system's semaphore


class Collective:
    """For ``size`` ranks, made before they are forked.

    Attributes:
        look_around: called now and then while waiting; raises if another rank has exited.

    Raises:
        OSError: no memory or no semaphores.
    """

    def __init__(self, size: int):
        self.size, self.rank, self.turn = size, 0, 0
        shared = shared_zeros(size * CACHE_LINE, np.uint8)
        self._arrived, *self._doors = (_Semaphore(shared[k * CACHE_LINE :]) for k in range(size))
        self._buffers = shared_zeros(2 * size * ROOM, np.float64).reshape(2, size, ROOM)
        self.look_around: Callable[[], None] = lambda: None

    def barrier(self) -> None:
        """Until all ranks are here. Rank 0 counts them and opens a door for each of the others."""
        if self.rank:
            self._arrived.release()
            self._take(self._doors[self.rank - 1])
        else:
            for _ in self._doors:
                self._take(self._arrived)
            for door in self._doors:
                door.release()

    def all_gather(self, values: np.ndarray) -> np.ndarray:
        """See :func:`all_gather`. Double-buffered: a buffer that a rank still reads is never overwritten."""
        buffer, self.turn = self._buffers[self.turn], 1 - self.turn
        if values.size > ROOM:
            raise ValueError(f"{values.size} values are too many for the buffer: it has room for {ROOM}")
        buffer[self.rank, : values.size] = values
        self.barrier()
        return buffer[:, : values.size].copy()

    def _take(self, semaphore: "_Semaphore") -> None:
        for _ in range(SPINS):
            if semaphore.acquire():
                return
        while not semaphore.acquire(PATIENCE):
            self.look_around()


class _Semaphore:
    """POSIX's, at 0, in memory that processes share.

    It has no name: the named ones of :mod:`multiprocessing` need /dev/shm, and stay there when a process is killed.
    """

    def __init__(self, memory: np.ndarray):
        self._memory, self._address = memory, ctypes.c_void_p(memory.ctypes.data)
        self._library = ctypes.CDLL(None, use_errno=True)
        if self._library.sem_init(self._address, 1, 0):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def release(self) -> None:
        """Add 1."""
        self._library.sem_post(self._address)

    def acquire(self, seconds: float | None = None) -> bool:
        """Take 1; False if there is none, at once or after so many seconds (or after a signal)."""
        if seconds is None:
            return self._library.sem_trywait(self._address) == 0
        until = time.time() + seconds
        limit = _Time(int(until), int(until % 1 * 1e9))
        return self._library.sem_timedwait(self._address, ctypes.byref(limit)) == 0


class _Time(ctypes.Structure):
    """C's struct timespec."""

    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


_current: Collective | None = None


@contextmanager
def joined(collective: Collective) -> Iterator[None]:
    """Within it this process is a rank of ``collective``."""
    global _current
    _current = collective
    try:
        yield
    finally:
        _current = None


def size() -> int:
    """How many ranks there are; 1 in a process that works alone."""
    return _current.size if _current else 1


def rank() -> int:
    """Which rank this process is, 0 … size − 1."""
    return _current.rank if _current else 0


def barrier() -> None:
    """Until all ranks have come to this point; what they wrote into shared arrays before is there after it."""
    if _current:
        _current.barrier()


def all_gather(values: np.ndarray) -> np.ndarray:
    """What each rank gives, a float vector (n,) of the same length: float64 (size, n), in the order of the ranks.

    The same for all, and so is whatever each of them computes from it.
    """
    return _current.all_gather(values) if _current else values.astype(np.float64)[np.newaxis]


def all_reduce(*vectors: np.ndarray) -> tuple[np.ndarray, ...]:
    """Each vector (n,) summed over all processes, in the order of their ranks."""
    if size() == 1:
        return vectors
    total = all_gather(np.concatenate(vectors)).sum(axis=0).astype(vectors[0].dtype)
    return tuple(np.split(total, len(vectors)))


def moments(mean: np.ndarray, var: np.ndarray, M: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Mean and variance (C,) of all processes' values together, and their number, from those of this one's M values.

    With mₖ, vₖ, Mₖ of rank k: mean = Σ Mₖ·mₖ/M, var = Σ Mₖ·(vₖ + (mₖ − mean)²)/M, M = Σ Mₖ.
    """
    if size() == 1:
        return mean, var, M
    given = all_gather(np.concatenate([mean, var, [M]]))
    means, variances = np.split(given[:, :-1], 2, axis=1)
    counts = given[:, -1]
    M = counts.sum()
    whole = counts @ means / M
    return whole.astype(mean.dtype), (counts @ (variances + (means - whole) ** 2) / M).astype(var.dtype), int(M)


def own_part(count: int) -> slice:
    """This rank's part of ``count`` things that are split evenly."""
    return split_evenly(count, size())[rank()]


def split_evenly(count: int, parts: int) -> list[slice]:
    """``count`` things in as many parts, whose sizes differ by 1 at most.

    >>> split_evenly(5, 2)
    [slice(0, 2, None), slice(2, 5, None)]
    """
    edges = [count * k // parts for k in range(parts + 1)]
    return [slice(first, last) for first, last in pairwise(edges)]


def shared_zeros(count: int, dtype: np.dtype) -> np.ndarray:
    """0s, (count,), in memory that stays one and the same for this process and those that will be forked from it."""
    dtype = np.dtype(dtype)
    return np.frombuffer(mmap.mmap(-1, max(1, count * dtype.itemsize)), dtype, count)
