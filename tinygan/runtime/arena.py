"""Memory in which arrays take places and leave them, and which stays theirs to write to for good.

What a recorded call reads and writes has to lie where it lay when the call was recorded; memory that the C library took
back may be anybody's by then. So the arrays of a recording get places in one block. A place is free again when nobody
holds its array any more, and whoever comes next in the recording may take it.
"""

import math
import mmap
import os
import weakref

import numpy as np

CACHE_LINE = 64  # bytes; where arrays begin
NO_RESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000)  # Linux's number; Python has the name since 3.13


class Arena:
    """One block as large as the machine's memory, of which only what is touched becomes memory.

    Raises:
        OSError: the system gives no such block (limited address space, strict accounting).
    """

    def __init__(self) -> None:
        size = os.sysconf("SC_PHYS_PAGES") * mmap.PAGESIZE
        self.block = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NO_RESERVE)
        self.start = np.frombuffer(self.block, np.uint8).ctypes.data
        self.most = 0  # bytes up to the highest place so far
        self._taken: dict[int, tuple[int, weakref.ref]] = {}  # first byte of a place: the one behind it, its array

    def array(self, shape: tuple[int, ...], dtype: np.dtype, kind: type[np.ndarray]) -> np.ndarray:
        """An uninitialised array of class ``kind`` in the first place that is large enough."""
        lines = -(-math.prod(shape) * np.dtype(dtype).itemsize // CACHE_LINE)
        size, first = max(1, lines) * CACHE_LINE, 0
        for start, (end, _) in sorted(self._taken.items()):
            if first + size <= start:
                break
            first = end
        array = np.ndarray.__new__(kind, shape, dtype, self.block, first)
        self._taken[first] = first + size, weakref.ref(array, lambda _: self._taken.pop(first))
        self.most = max(self.most, first + size)
        return array

    def unheld(self, array: np.ndarray) -> np.ndarray:
        """The same array as one of NumPy's own class; if it lies in the block, one that keeps no place taken."""
        first = array.ctypes.data - self.start
        if not 0 <= first < len(self.block):
            return array.view(np.ndarray)
        return np.ndarray(array.shape, array.dtype, self.block, first, array.strides)
