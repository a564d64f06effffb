"""Collectives of forked processes: semaphores and buffers in memory that all of them share.

What a rank gives lies where the others see it, so mostly they only wait for each other.
"""

import ctypes
import mmap
import os
import time
from collections.abc import Callable

import numpy as np

from tinygan.runtime.collectives import split_vector
from tinygan.runtime.recording import whole

ROOM = 2**16  # values that a rank can give at once
SPINS = 200  # tries of a semaphore before going to sleep: being woken takes longer than most waits last
PATIENCE = 1.0  # seconds of sleep after which to check that the others are still running
CACHE_LINE = 64  # bytes; also room enough for any system's semaphore


class Collective:
    """For ``size`` ranks, made before they are forked; OSError if there is no semaphore.

    ``look_around`` is called now and then while waiting, and raises if another rank has exited.
    """

    def __init__(self, size: int):
        self.size, self.rank, self.turn = size, 0, 0
        shared = shared_zeros(size * CACHE_LINE, np.uint8)
        self._arrived, *self._doors = (_Semaphore(shared[k * CACHE_LINE :]) for k in range(size))
        self._buffers = shared_zeros(2 * size * ROOM, np.float64).reshape(2, size, ROOM)
        self.look_around: Callable[[], None] = lambda: None

    place = property(lambda self: self.rank)

    def barrier(self) -> None:
        """Until all ranks are here."""
        whole(self._meet)

    def _meet(self) -> None:
        """Rank 0 counts all ranks and opens a door for each of the others."""
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
        if values.size > ROOM:
            parts = (values[start : start + ROOM] for start in range(0, values.size, ROOM))
            return np.concatenate([self.all_gather(part) for part in parts], axis=1)
        buffer, self.turn = self._buffers[self.turn], 1 - self.turn
        buffer[self.rank, : values.size] = values
        self.barrier()
        return buffer[:, : values.size].copy()

    def own_parts(self, vectors: list[np.ndarray]) -> list[np.ndarray]:
        """See :func:`own_parts`: all vectors are in shared memory."""
        self.barrier()
        part = split_vector(vectors[0].size, self.size)[self.rank]
        return [vector[part] for vector in vectors[: self.size]]

    def share_parts(self, vector: np.ndarray) -> None:
        """See :func:`share_parts`: the parts are in their places already."""
        self.barrier()

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
        """Take 1; False if there is none, at once or after that many seconds (or after a signal)."""
        if seconds is None:
            return self._library.sem_trywait(self._address) == 0
        until = time.time() + seconds
        timespec = (ctypes.c_long * 2)(int(until), int(until % 1 * 1e9))  # seconds, nanoseconds
        return self._library.sem_timedwait(self._address, timespec) == 0


def shared_zeros(count: int, dtype: np.dtype) -> np.ndarray:
    """Zeros, (count,), in memory that this process and those that will be forked from it share; or MemoryError."""
    dtype = np.dtype(dtype)
    try:
        return np.frombuffer(mmap.mmap(-1, max(1, count * dtype.itemsize)), dtype, count)
    except (OSError, OverflowError) as error:
        raise MemoryError(str(error)) from error
