"""The device behind the stand-in for CuPy: streams, events, captures and graphs.

As on a device, what is captured is recorded and not run. What CuPy or CUDA refuse during a capture is refused here:
reading from the device, copying to it, waiting for it, and CuPy's own products. An array made during a capture must
come from a private pool: its address is part of the graph.

Copies from page-locked memory and launches of graphs are carried out as late as a device may: when somebody waits for
the stream or an event behind them, or gives the stream something else to do.
"""

import contextlib
import itertools
import threading
import types
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fakememory import (
    CUDARuntimeError,
    DeviceMemory,
    Memory,
    MemoryPointer,
    MemoryPool,
    OutOfMemoryError,
    PinnedMemory,
)


@dataclass
class Node:
    """One operation of the device.

    Attributes:
        kind: kernel (one of ours), gemm, cupy (a kernel of CuPy's), memset or nccl; housekeeping is not the device's.
        arrays: (shape, bytes) of each array, what is written last.
        numbers: other arguments, in their order.
        constants: of a kernel, what its compiler was told, by name.
        communicator: of a call of NCCL's.
    """

    kind: str
    name: str
    run: Callable[[], None] = field(repr=False)
    arrays: tuple = ()
    numbers: tuple = ()
    threads: int = 0
    constants: dict = field(default_factory=dict)
    communicator: object = field(default=None, repr=False)


class Device:
    """One device with its memory; current stream and allocator are those of the calling thread, as in CuPy.

    Attributes:
        count: how many the process could take; it must use the one that its main thread has taken.
        prompt: whether graphs are carried out when they are launched.
    """

    def __init__(self, count: int = 1):
        self.count, self.prompt = count, False
        self.lock = threading.RLock()
        self.memory, self.pinned, self.blocks_of_pools = DeviceMemory(), PinnedMemory(), []
        self._of_thread = threading.local()
        self.handles = itertools.count(2**44, 4096)
        self.streams = weakref.WeakSet()
        self.graphs = weakref.WeakValueDictionary()  # by handle
        self.null = Stream(self, ptr=0)
        self.pool = MemoryPool(self)
        self.pool.common = True
        self.synchronisations = 0

    @property
    def thread(self):
        """The calling thread's ``stack`` of streams, ``current`` stream, ``allocator``, and device's ``number``."""
        here = self._of_thread
        if not hasattr(here, "stack"):
            here.stack, here.current, here.allocator, here.number = [self.null], self.null, self.pool.malloc, 0
        return here

    @property
    def current(self) -> "Stream":
        return self.thread.current

    def submit(self, node: Node) -> None:
        """Have the current stream do something, now, or record it."""
        with self.lock:
            stream = self.current
            if stream.capture is not None:
                stream.capture.append(node)
            else:
                stream.drain()
                node.run()

    def refuse_during_capture(self, what: str, stream=None) -> None:
        """Raise what CuPy raises."""
        if (stream or self.current).capture is not None:
            raise RuntimeError(f"{what}: the stream is capturing")

    def finish(self) -> None:
        """Carry out all work of all streams."""
        for stream in list(self.streams):
            stream.drain()

    def wait(self, stream: "Stream") -> None:
        self.synchronisations += 1
        with self.lock:
            stream.drain()


class Capture(list):
    """The nodes of a capture; ``broken`` after something that CUDA forbids."""

    broken = False


class Stream:
    """``cupy.cuda.Stream``."""

    def __init__(self, device, non_blocking=False, ptr=None):
        self.device, self.non_blocking = device, non_blocking
        self.ptr = next(device.handles) if ptr is None else ptr
        self.queue: deque = deque()
        device.streams.add(self)
        self.capture: Capture | None = None

    def drain(self, until=None) -> None:
        """Do what was put off, as far as the event ``until``."""
        with self.device.lock:
            while self.queue:
                work = self.queue.popleft()
                if work is until:
                    return
                if not isinstance(work, Event):
                    work()

    def in_order(self, block, work: Callable[[], None]) -> None:
        """Housekeeping of a block: behind what the stream has to do, and in the graph if it is the graph's block."""
        with self.device.lock:
            if self.capture is not None and block.owner is self.capture:
                self.capture.append(Node("housekeeping", "", work))
                block.spoil()  # nothing of a capture has run, so nothing has values
            elif self.queue:
                self.queue.append(work)
            else:
                work()

    def use(self):
        self.device.thread.current = self  # and not on the stack: the end of any `with` forgets it
        return self

    def __enter__(self):
        self.device.thread.stack.append(self)
        self.device.thread.current = self
        return self

    def __exit__(self, *error):
        self.device.thread.stack.pop()
        self.device.thread.current = self.device.thread.stack[-1]

    def synchronize(self):
        if self.capture is not None:
            self.capture.broken = True
        self.device.refuse_during_capture("synchronise", self)
        self.device.wait(self)

    def begin_capture(self, mode=None):
        if self.ptr == 0:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        assert self.non_blocking, "a blocking stream: any touch of the default stream would end the capture"
        self.drain()
        self.capture = Capture()

    def end_capture(self):
        capture, self.capture = self.capture, None
        if capture.broken:
            raise RuntimeError("cudaErrorStreamCaptureInvalidated: something forbidden was called during the capture")
        return Graph(self.device, list(capture))

    def is_capturing(self):
        return self.capture is not None


class Graph:
    """``cupy.cuda.Graph``."""

    def __init__(self, device, work):
        self.device, self._work = device, work
        self.nodes = [node for node in work if node.kind != "housekeeping"]
        self.graph = next(device.handles)
        device.graphs[self.graph] = self
        self.launches = 0

    def upload(self, stream=None):
        self.device.refuse_during_capture("upload", stream)

    def launch(self, stream=None):
        stream = stream or self.device.current
        self.device.refuse_during_capture("launch", stream)
        self.launches += 1
        with self.device.lock:
            stream.queue.append(self._run)
            if self.device.prompt:
                stream.drain()

    def _run(self):
        for node in self._work:
            node.run()


class Event:
    """``cupy.cuda.Event``: over when the work before it is."""

    device: Device

    def __init__(self, disable_timing=False):
        self.stream = None

    def record(self, stream=None):
        self.stream, self.number = stream or self.device.current, self.device.thread.number
        with self.device.lock:
            self.stream.queue.append(self)

    def synchronize(self):
        # Allowed during a capture, by another thread, and not counted: it guards memory of the host.
        assert self.stream is not None
        assert self.number == self.device.thread.number, "a thread with another current device: it would open that one"
        with self.device.lock:
            if self in self.stream.queue:
                self.stream.drain(until=self)


def namespace(device: Device) -> types.SimpleNamespace:
    """What stands in for ``cupy.cuda``: a device with a driver."""
    memory = device.memory
    runtime = types.SimpleNamespace(
        CUDARuntimeError=CUDARuntimeError,
        driverGetVersion=lambda: 13000,
        runtimeGetVersion=lambda: 13020,
        getDeviceCount=lambda: device.count,
        getDevice=lambda: device.thread.number,
        deviceGetPCIBusId=lambda number: f"0000:{number:02x}:00.0",
        getDeviceProperties=lambda index: {"name": b"pretended GPU", "totalGlobalMem": memory.limit},
        memGetInfo=lambda: (memory.limit - memory.used, memory.limit),
    )

    @contextlib.contextmanager
    def using_allocator(allocator):
        here = device.thread
        before, here.allocator = here.allocator, allocator
        try:
            yield
        finally:
            here.allocator = before

    def use(number):
        assert 0 <= number < device.count, "cudaErrorInvalidDevice"
        device.thread.number = number

    def one_device(number=None):
        number = device.thread.number if number is None else number
        return types.SimpleNamespace(
            id=number, compute_capability="90", synchronize=synchronize, use=lambda: use(number)
        )

    def synchronize():
        device.refuse_during_capture("synchronise")
        device.wait(device.current)
        device.finish()

    return types.SimpleNamespace(
        runtime=runtime,
        Device=one_device,
        Stream=lambda non_blocking=False: Stream(device, non_blocking),
        Event=type("Event", (Event,), {"device": device}),
        get_current_stream=lambda: device.current,
        Memory=lambda size: Memory(device, size),
        MemoryPointer=MemoryPointer,
        MemoryPool=lambda allocator=None: MemoryPool(device, allocator),
        memory=types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        using_allocator=using_allocator,
        # A pool gives more than was asked for.
        alloc_pinned_memory=lambda size: memoryview(device.pinned.empty(size + 512)),
    )
