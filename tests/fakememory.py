"""Device memory for the stand-in: blocks between guards, pools that hand them out again, a limit.

Memory without values, and memory that was given back, holds ones in every bit: NaN for floats. So what is used too
early or too late shows in the results. What is written beside an array is found behind the kernel that was given it.
"""

import bisect

import numpy as np

ALIGNMENT = 512  # bytes, of CuPy's pools: sizes and addresses
GUARD = 512  # bytes before and behind a block
PATTERN = 0xFF


class CUDARuntimeError(RuntimeError):
    """``cupy.cuda.runtime.CUDARuntimeError``: what the device has no memory for, before a pool is asked."""


class OutOfMemoryError(MemoryError):
    """``cupy.cuda.memory.OutOfMemoryError``: what a pool says after it has freed what it had."""


class DeviceMemory:
    """All memory of the device.

    Attributes:
        limit: bytes; tests set it.
        used: bytes that blocks take.
        watched: whether unused memory holds the pattern and guards are looked at; without, arrays may be very large.
    """

    def __init__(self):
        self.limit, self.used, self.watched = 2**30, 0, True
        self._starts, self._blocks = [], []

    def add(self, block: "Block") -> None:
        if self.used + block.size > self.limit:
            raise CUDARuntimeError("cudaErrorMemoryAllocation: out of memory")
        self.used += block.size
        place = bisect.bisect(self._starts, block.pointer)
        self._starts.insert(place, block.pointer)
        self._blocks.insert(place, block)

    def remove(self, block: "Block") -> None:
        self.used -= block.size
        place = bisect.bisect_left(self._starts, block.pointer)
        del self._starts[place], self._blocks[place]

    def at(self, pointer: int) -> "Block":
        """The block that an address lies in."""
        place = bisect.bisect(self._starts, pointer) - 1
        assert place >= 0, "an address outside the device's memory"
        assert pointer < self._starts[place] + self._blocks[place].size, "an address outside the device's memory"
        return self._blocks[place]


class Block:
    """``size`` bytes of the device, at an aligned address.

    Attributes:
        asked: bytes that somebody may use, from the first.
        owner: the capture during which it was handed out, None if there was none.
    """

    def __init__(self, memory: DeviceMemory, size: int):
        self.memory, self.size, self.owner = memory, size, None
        room = np.empty(size + 2 * GUARD + ALIGNMENT, np.uint8)
        start = -room.ctypes.data % ALIGNMENT + (GUARD if GUARD % ALIGNMENT == 0 else ALIGNMENT)
        self.bytes, self._guards = room[start : start + size], (room[start - GUARD : start], room[start + size :])
        self.pointer, self.alive, self.asked = self.bytes.ctypes.data, True, size
        memory.add(self)
        if memory.watched:
            room.fill(PATTERN)

    def hand_out(self, nbytes: int) -> None:
        """From now on only the first ``nbytes`` are anybody's."""
        self.asked = nbytes
        self.spoil()

    def spoil(self) -> None:
        """Nobody's values any more."""
        if self.memory.watched:
            self.bytes.fill(PATTERN)

    def check(self) -> None:
        """Complain where the block was given back, or somebody wrote beside his array."""
        assert self.alive, "an address in memory that was given back to the device"
        if self.memory.watched:
            for guard in (*self._guards, self.bytes[self.asked :]):
                assert (guard == PATTERN).all(), "something was written outside an array"

    def release(self) -> None:
        self.alive = False
        self.spoil()
        self.memory.remove(self)


class Memory:
    """``cupy.cuda.Memory``: lives as long as somebody refers to it."""

    def __init__(self, device, size: int):
        self.size, self.device, self.block = size, device, Block(device.memory, size)

    def __del__(self):
        if hasattr(self, "block"):
            with self.device.lock:
                self.device.finish()  # as cudaFree does
                self.block.release()


class MemoryPointer:
    """``cupy.cuda.MemoryPointer``."""

    def __init__(self, mem, offset: int):
        self.mem, self.offset = mem, offset

    @property
    def ptr(self) -> int:
        return self.mem.block.pointer + self.offset


class Pooled:
    """What a pool hands out; its end gives the block back to the pool, in the order of the stream it was taken on."""

    def __init__(self, pool: "MemoryPool", block: Block, stream):
        self.pool, self.block, self.stream = pool, block, stream

    def __del__(self):
        self.pool.take_back(self.block, self.stream)


class MemoryPool:
    """``cupy.cuda.MemoryPool``. Blocks are handed out again for the same rounded size on the same stream.

    Attributes:
        most_used: bytes that were lent at once.
    """

    def __init__(self, device, allocator=None):
        self.device, self.common = device, False
        self._used = self.most_used = 0
        self._allocator = allocator or (lambda size: MemoryPointer(Memory(device, size), 0))
        self._free, self._lent = {}, {}
        # As in CuPy 14, where they keep each other alive: a pool that is dropped does not give its blocks back.
        device.blocks_of_pools.append((self._free, self._lent))

    def malloc(self, nbytes: int) -> MemoryPointer:
        stream = self.device.current
        if self.common and stream.capture is not None:
            raise AssertionError("an array made during a capture, from the common memory pool")
        size = -(-max(nbytes, 1) // ALIGNMENT) * ALIGNMENT
        with self.device.lock:
            free = self._free.setdefault((stream.ptr, size), [])
            raw = free.pop() if free else self._new(size)
            block = raw.mem.block
            self._lent[block.pointer] = raw
            self._used += size
            self.most_used = max(self.most_used, self._used)
            block.owner = stream.capture
            stream.in_order(block, lambda: block.hand_out(nbytes))
        return MemoryPointer(Pooled(self, block, stream), 0)

    def _new(self, size: int) -> MemoryPointer:
        try:
            return self._allocator(size)
        except CUDARuntimeError:
            self.free_all_blocks()
        try:
            return self._allocator(size)
        except CUDARuntimeError:
            used = self.total_bytes()
            raise OutOfMemoryError(f"Out of memory allocating {size:,} bytes (allocated so far: {used:,}).") from None

    def take_back(self, block: Block, stream) -> None:
        with self.device.lock:
            raw = self._lent.pop(block.pointer)
            self._used -= block.size
            self._free.setdefault((stream.ptr, block.size), []).append(raw)
            stream.in_order(block, block.spoil)

    def free_all_blocks(self, stream=None) -> None:
        with self.device.lock:
            self._free.clear()

    def free_bytes(self) -> int:
        return sum(raw.mem.size for free in self._free.values() for raw in free)

    def used_bytes(self) -> int:
        return self._used

    def total_bytes(self) -> int:
        return self.used_bytes() + self.free_bytes()


class PinnedMemory:
    """What ``alloc_pinned_memory`` and ``empty_pinned`` give: the device reads it later, by itself."""

    def __init__(self):
        self._ranges = []

    def empty(self, shape, dtype=np.uint8) -> np.ndarray:
        array = np.empty(shape, dtype)
        self._ranges.append((array.ctypes.data, array.ctypes.data + array.nbytes, array))
        return array

    def holds(self, host: np.ndarray) -> bool:
        return any(start <= host.ctypes.data < stop for start, stop, _ in self._ranges)
