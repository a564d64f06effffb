"""What each replay of captured work is given: fixed buffers on the device, filled from the host without waiting."""

import math
from collections.abc import Mapping
from types import ModuleType

import numpy as np

from tinygan.array import Array

SLOTS = 4  # how many replays the host may be ahead of the device
ALIGNMENT = 256  # bytes; what the device's memory accesses want is at most this


class Inputs:
    """``arrays``, by name, whose addresses never change, written together by one copy per replay.

    The copy is asynchronous: it starts from page-locked memory, of which there are several slots, and a slot is not
    written again before its last copy is over. The host waits only if it is ``SLOTS`` replays ahead.
    """

    def __init__(self, xp: ModuleType, shapes: Mapping[str, tuple[tuple[int, ...], np.dtype]]):
        places, size = {}, 0
        for name, (shape, dtype) in shapes.items():
            end = size + math.prod(shape) * np.dtype(dtype).itemsize
            places[name] = slice(size, end)
            size = -(-end // ALIGNMENT) * ALIGNMENT

        def views(memory: Array) -> dict[str, Array]:
            return {name: memory[places[name]].view(dtype).reshape(shape) for name, (shape, dtype) in shapes.items()}

        self._device = xp.zeros(size, np.uint8)
        self.arrays = views(self._device)
        pinned = [np.frombuffer(xp.cuda.alloc_pinned_memory(size), np.uint8, size) for _ in range(SLOTS)]
        self._slots = [(memory, views(memory), xp.cuda.Event(disable_timing=True)) for memory in pinned]
        self._count = 0

    def send(self, stream, **values: np.ndarray | float) -> None:
        """Copy host values of all names into the arrays, in the order of ``stream``'s work."""
        memory, views, copied = self._slots[self._count % SLOTS]
        if self._count >= SLOTS:
            copied.synchronize()
        for name, view in views.items():
            view[...] = values[name]
        self._device.set(memory, stream=stream)
        copied.record(stream)
        self._count += 1
