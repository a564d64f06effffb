"""One block of memory for all arrays of a recording.

What a recorded call reads and writes has to lie where it lay when the call was recorded; memory given back to the C
library may be anybody's by then. So the arrays get places in one block. A place is free again when nobody holds its
array any more, and a later array of the recording may take it.
"""

import math
import mmap
import os
import weakref

import numpy as np

CACHE_LINE = 64  # bytes; where arrays begin
NO_RESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000)  # Linux's number; Python has the name since 3.13


class Arena:
    """A block of addresses as large as the machine's memory; only what is touched takes memory.

    Raises OSError where the system gives no such block (limited address space, strict accounting).
    """

    def __init__(self) -> None:
        if not hasattr(os, "sysconf"):
            raise OSError("Windows has no sysconf, and no blocks that take only the memory that is touched")
        size = os.sysconf("SC_PHYS_PAGES") * mmap.PAGESIZE
        self.block = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NO_RESERVE)
        self.start = np.frombuffer(self.block, np.uint8).ctypes.data
        self._taken: dict[int, tuple[int, weakref.ref]] = {}  # first byte of a place: the byte behind it, its array

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
        return array

    def unheld(self, array: np.ndarray) -> np.ndarray:
        """The same memory as an array of NumPy's own class, which holds no place of the block."""
        first = array.ctypes.data - self.start
        if not 0 <= first < len(self.block):
            return array.view(np.ndarray)
        return np.ndarray(array.shape, array.dtype, self.block, first, array.strides)
