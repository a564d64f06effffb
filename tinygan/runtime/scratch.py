"""Arrays that begin with a cache line, and scratch memory: what a task needs only while it runs."""

import math
import threading

import numpy as np

from tinygan.runtime import recording
from tinygan.runtime.arena import CACHE_LINE


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An uninitialised array that begins with a cache line.

    NumPy's own begin 16 bytes into one, so that each store of an AVX-512 register touches two lines.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.empty(size + CACHE_LINE, np.uint8)
    start = -room.__array_interface__["data"][0] % CACHE_LINE
    return room[start : start + size].view(dtype).reshape(shape)


class _Scratch(threading.local):
    """One thread's block, and how much of it the running task has taken."""

    def __init__(self) -> None:
        self.block, self.used, self.most, self.releases = np.empty(0, np.uint8), 0, 0, 0


_scratch = _Scratch()
_releases = 0  # how often all threads were told to give their blocks back


def begin_task() -> None:
    """Free what this thread's last task took, and make the block as large as any task so far wanted it."""
    if recording.active():  # its memory is the arena's, and a block made now would lie there too
        return
    if _scratch.releases != _releases:
        _scratch.most, _scratch.releases = 0, _releases
    if _scratch.block.size != _scratch.most:
        _scratch.block = None  # first, so that there are not two
        _scratch.block = aligned((_scratch.most,), np.uint8)
    _scratch.used = 0


def release_scratch() -> None:
    """Have every thread give its scratch memory back when it begins its next task."""
    global _releases
    _releases += 1


def scratch(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An uninitialised array for a task, valid until that ends; the next task gets the same memory."""
    if recording.active():
        return np.empty(shape, dtype)  # in the arena, for as long as the task holds it
    size = math.prod(shape) * np.dtype(dtype).itemsize
    start = -(-_scratch.used // CACHE_LINE) * CACHE_LINE
    _scratch.used = start + size
    if _scratch.used <= _scratch.block.size:
        return _scratch.block[start : _scratch.used].view(dtype).reshape(shape)
    _scratch.most = max(_scratch.most, _scratch.used)
    return aligned(shape, dtype)  # this once: from the next task on the block has room
