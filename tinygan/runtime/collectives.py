"""Where the processes of a worker group wait for each other, and exchange what all of them need.

The same function runs in every process (a *rank*), each on its shard of a batch. Where it needs what the others have,
it calls a collective: :func:`barrier`, or :func:`all_gather`. In a process that works alone both return at once, so
the code that calls them reads the same for one process and for many. :mod:`tinygan.runtime.workers` starts the ranks.
"""

import mmap
import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np

ROOM = 2**16  # values that a member can lay out at once: more than twice the channels of any layer
SPINS = 200  # looks at a semaphore before going to sleep: being woken takes longer than most waits last
PATIENCE = 1.0  # seconds of sleep after which to look whether the others are still alive


class Collective:
    """For ``size`` members, made before they are forked.

    Attributes:
        look_around: called now and then while waiting; raises if a member is no more.
    """

    def __init__(self, size: int):
        forked = multiprocessing.get_context("fork")
        self.size, self.rank, self.turn = size, 0, 0
        self._arrived = forked.Semaphore(0)
        self._doors = [forked.Semaphore(0) for _ in range(size - 1)]
        self._buffers = shared_zeros(2 * size * ROOM, np.float64).reshape(2, size, ROOM)
        self.look_around: Callable[[], None] = lambda: None

    def barrier(self) -> None:
        """Until all members are here. Member 0 counts them and opens a door for each of the others."""
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

    def _take(self, semaphore) -> None:
        for _ in range(SPINS):
            if semaphore.acquire(False):
                return
        while not semaphore.acquire(True, PATIENCE):
            self.look_around()


_current: Collective | None = None


@contextmanager
def joined(meeting: Collective) -> Iterator[None]:
    """Within it this process is a member."""
    global _current
    _current = meeting
    try:
        yield
    finally:
        _current = None


def size() -> int:
    """How many members there are; 1 in a process that works alone."""
    return _current.size if _current else 1


def rank() -> int:
    """Which member this process is, 0 … size − 1."""
    return _current.rank if _current else 0


def barrier() -> None:
    """Until all members have come to this point; what they wrote into shared arrays before is there after it."""
    if _current:
        _current.barrier()


def all_gather(values: np.ndarray) -> np.ndarray:
    """What each member gives, a float vector (n,) of the same length: float64 (size, n), in the order of their ranks.

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
    """This member's part of ``count`` things that are shared out."""
    return split_evenly(count, size())[rank()]


def split_evenly(count: int, parts: int) -> list[slice]:
    """``count`` things in as many parts, whose sizes differ by 1 at most."""
    edges = [count * k // parts for k in range(parts + 1)]
    return [slice(first, last) for first, last in pairwise(edges)]


def shared_zeros(count: int, dtype: np.dtype) -> np.ndarray:
    """0s, (count,), in memory that stays one and the same for this process and those that will be forked from it."""
    dtype = np.dtype(dtype)
    return np.frombuffer(mmap.mmap(-1, max(1, count * dtype.itemsize)), dtype, count)
