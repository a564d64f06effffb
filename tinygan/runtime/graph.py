"""Work captured once as a CUDA graph and replayed with one launch, and the buffers that its inputs are sent to.

A training step is some hundred launches, on the same addresses every time. Captured, they cost the host one call.
"""

import contextlib
import ctypes
import functools
import math
import sys
from collections.abc import Callable, Mapping
from types import ModuleType

import numpy as np

from tinygan.array import Array
from tinygan.errors import TinyganError

WARM_UPS = 2  # calls before the capture: they compile kernels, make handles and grow the pool
SLOTS = 4  # how many replays the host may be ahead of the device
ALIGNMENT = 256  # bytes: no memory access of the device needs more


class Replay:
    """A function without arguments and results, on the device: called eagerly at first, then replayed as a graph.

    ``work`` must read its inputs from arrays that stay where they are, write its results into such arrays, and never
    wait for the device nor copy between host and device. Every call counts: the warm-ups are real ones, and the call
    that captures is carried out by the graph's first launch.

    Everything that ``work`` allocates comes from a memory pool of its own. During replays nobody else may get those
    addresses, and nobody else allocates from that pool. The graph and its memory live until :meth:`close`.

    Where the capture fails, ``obstacle`` is told why in one line, once, and all calls stay eager; ``captured`` says
    whether there has been a graph. The current stream must not be the default one, which cannot be captured.
    """

    def __init__(self, xp: ModuleType, work: Callable[[], None], obstacle: Callable[[str], None]):
        self.xp, self.work, self.obstacle = xp, work, obstacle
        self.stream = xp.cuda.get_current_stream()
        self._kept = []  # blocks of the device's memory, freed when nobody refers to them
        self.pool = xp.cuda.MemoryPool(_allocator(xp.cuda, self.stream, self._kept))
        self.graph, self.captured = None, False
        self._calls_before_capture = WARM_UPS
        # What other pools keep for themselves is of no use to this one.
        xp.get_default_memory_pool().free_all_blocks()

    def __call__(self) -> None:
        """Do the work, in the order of the stream; TinyganError if another is current, or the graph's memory gone."""
        if self.xp.cuda.get_current_stream() != self.stream:
            raise TinyganError(
                "the captured step was called with another current CUDA stream, whose work it would not wait for: "
                "leave every stream with the `with` that entered it, and do not call Stream.use()"
            )
        if self.graph is None and self._calls_before_capture == 0:
            self._capture()
        if self.graph is not None:
            if self.pool.total_bytes() < self._bytes_of_graph:
                raise TinyganError("the memory of the captured step was freed: do not free the blocks of its pool")
            self.graph.launch(self.stream)
            return
        with self.xp.cuda.using_allocator(self.pool.malloc):
            self.work()
        self._calls_before_capture -= 1

    def close(self) -> None:
        """Give the memory back; later calls are eager. A dropped pool would keep it: it and its blocks form a cycle."""
        self.stream.synchronize()
        self.graph, self._calls_before_capture = None, -1
        self.pool.free_all_blocks()
        self._kept.clear()

    def _capture(self) -> None:
        # Nothing of a warm-up may be unfinished, such as a kernel's first load.
        self.stream.synchronize()
        try:
            with self.xp.cuda.using_allocator(self.pool.malloc):
                self.stream.begin_capture()
                try:
                    self.work()
                except BaseException:
                    with contextlib.suppress(Exception):  # the first error is the one to be told
                        self.stream.end_capture()
                    raise
                graph = self.stream.end_capture()
            graph.upload(self.stream)
        except Exception as error:  # CUDA, CuPy and cuBLAS each raise their own
            reason = " ".join(str(error).split())
            self.obstacle(f"the step cannot be captured as a CUDA graph ({reason}): it runs launch by launch, slower")
            return
        if node_count(graph) == 0:
            raise TinyganError(
                "the captured step is empty: its work went to another CUDA stream, so replaying it would do nothing"
            )
        self.graph, self._bytes_of_graph, self.captured = graph, self.pool.total_bytes(), True


def _allocator(cuda, stream, kept: list) -> Callable:
    """What a pool gets the device's memory from; each block goes into ``kept`` too.

    A pool that runs out of memory frees the blocks that nobody uses, and tries again. A capture that is under way holds
    addresses in them, so then they have to stay.
    """

    def allocate(size: int):
        try:
            block = cuda.MemoryPointer(cuda.Memory(size), 0)
        except cuda.runtime.CUDARuntimeError:
            if not stream.is_capturing():
                kept.clear()
            raise
        kept.append(block)
        return block

    return allocate


def node_count(graph) -> int:
    """How many operations a ``cupy.cuda.Graph`` consists of."""
    count = ctypes.c_size_t()
    status = load_driver().cuGraphGetNodes(ctypes.c_void_p(graph.graph), None, ctypes.byref(count))
    if status:
        raise TinyganError(f"cuGraphGetNodes failed with CUDA error {status}: check the driver with nvidia-smi")
    return count.value


@functools.cache
def load_driver() -> ctypes.CDLL:
    """The CUDA driver's library, which CuPy has loaded before."""
    return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")


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
