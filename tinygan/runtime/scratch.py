"""Memory that begins with a cache line; scratch memory: what a task needs only while it runs, out of a block of its
thread's own."""

import math
import threading

import numpy as np

from tinygan.runtime import recording
from tinygan.runtime.arena import CACHE_LINE


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An uninitialised array that begins with a cache line.

    NumPy's own begin 16 bytes into one, and then each store of an AVX-512 register touches two of them.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.empty(size + CACHE_LINE, np.uint8)
    start = -room.__array_interface__["data"][0] % CACHE_LINE
    return room[start : start + size].view(dtype).reshape(shape)


class _Scratch(threading.local):
    """One thread's block, and how much of it the running task has taken."""

    released = 0  # how often all threads were told to give theirs back

    def __init__(self) -> None:
        self.block, self.used, self.most, self.age = np.empty(0, np.uint8), 0, 0, 0

    def begin(self) -> None:
        """Make all of it free for the next task, and as large as any task so far wanted it."""
        if self.age != _Scratch.released:
            self.most, self.age = 0, _Scratch.released
        if self.block.size != self.most:
            self.block = None  # first, so that there are not two
            self.block = aligned((self.most,), np.uint8)
        self.used = 0


_scratch = _Scratch()


def begin_task() -> None:
    """Said by a thread before each task: the memory of the one before is free."""
    if not recording.active():  # what is recorded takes its memory elsewhere, and a block made meanwhile would be its
        _scratch.begin()


def release_scratch() -> None:
    """Have every thread give its scratch memory back when it begins its next task."""
    _Scratch.released += 1


def scratch(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An uninitialised array for a task, valid until that ends; the next task gets the same memory."""
    if recording.active():
        return np.empty(shape, dtype)  # as much memory as the task takes, and no longer than it takes it
    size = math.prod(shape) * np.dtype(dtype).itemsize
    start = -(-_scratch.used // CACHE_LINE) * CACHE_LINE
    _scratch.used = start + size
    if _scratch.used <= _scratch.block.size:
        return _scratch.block[start : _scratch.used].view(dtype).reshape(shape)
    _scratch.most = max(_scratch.most, _scratch.used)
    return aligned(shape, dtype)  # this once; from the next task on there is room
