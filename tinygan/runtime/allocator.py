"""The C library's allocator, told to keep what is freed."""

import ctypes
import sys


def reuse_freed_memory() -> None:
    """Have the C library keep freed memory for the next array instead of returning it to the system.

    By default every large array is mapped anew and each of its pages faulted in at first touch, every iteration again:
    a quarter to a third of a training step's time (docs/design.md). glibc only; elsewhere nothing is changed.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # the names of malloc.h
            mallopt(M_MMAP_MAX, 0)
            mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
