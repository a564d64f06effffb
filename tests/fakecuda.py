"""The device behind the stand-in for CuPy: streams, capture, graphs, memory pools, and cuBLAS.

As on a device, what is captured is recorded and not run; until the graph is launched, its results hold NaN. What CuPy
or CUDA refuse during a capture is refused here: reading from the device, copying to it, waiting for it, and CuPy's own
products. An array made during a capture must come from a private pool: its address is part of the graph, and memory
of the common pool would be given to somebody else.
"""

import contextlib
import ctypes
import types

import numpy as np


class Device:
    """Runs operations at once, or records them while a stream is being captured."""

    def __init__(self):
        self.recording: list | None = None
        self.allocator = self.default_allocator = object()
        self.current = self.null = Stream(self, ptr=0)
        self.synchronisations = 0

    def act(self, operation) -> None:
        """Do something to arrays that exist."""
        operation() if self.recording is None else self.recording.append(operation)

    def produce(self, operation, inputs=()) -> np.ndarray:
        """Make an array: the operation's result, a view of an input or something new."""
        with np.errstate(all="ignore") if self.recording is not None else contextlib.nullcontext():
            result = np.asarray(operation())
        if self.recording is None or any(np.may_share_memory(result, x) for x in inputs):
            return result
        result = self.reserve(lambda: np.empty_like(result))

        def replay():
            result[...] = operation()

        self.recording.append(replay)
        return result

    def reserve(self, allocate) -> np.ndarray:
        """Make an array without values: full of what would show if it were used."""
        if self.recording is not None and self.allocator is self.default_allocator:
            raise AssertionError("an array made during a capture, from the common memory pool")
        result = allocate()
        result.fill(np.nan if result.dtype.kind == "f" else 0x5A)
        return result

    def refuse_during_capture(self, what: str) -> None:
        """Raise what CuPy raises."""
        if self.recording is not None:
            raise RuntimeError(f"{what}: the stream is capturing")

    def synchronise(self) -> None:
        self.refuse_during_capture("synchronise")
        self.synchronisations += 1


class Stream:
    """``cupy.cuda.Stream``."""

    def __init__(self, device, non_blocking=False, ptr=None):
        self.device, self.non_blocking = device, non_blocking
        self.ptr = id(self) if ptr is None else ptr

    def use(self):
        self.device.current = self
        return self

    def __enter__(self):
        self.before, self.device.current = self.device.current, self
        return self

    def __exit__(self, *error):
        self.device.current = self.before

    def synchronize(self):
        self.device.synchronise()

    def begin_capture(self, mode=None):
        if self.ptr == 0:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        assert self.non_blocking, "a blocking stream: any touch of the default stream would end the capture"
        assert self.device.current is self, "the captured stream is not the current one"
        self.device.recording = []

    def end_capture(self):
        graph = Graph(self.device, self.device.recording)
        self.device.recording = None
        return graph

    def is_capturing(self):
        return self.device.recording is not None


class Graph:
    """``cupy.cuda.Graph``."""

    def __init__(self, device, operations):
        self.device, self.operations = device, operations
        self.launches = 0

    def upload(self, stream=None):
        self.device.refuse_during_capture("upload")

    def launch(self, stream=None):
        self.device.refuse_during_capture("launch")
        self.launches += 1
        for operation in self.operations:
            operation()


class Event:
    """``cupy.cuda.Event``: here everything is over at once."""

    def __init__(self, disable_timing=False):
        self.recorded = False

    def record(self, stream=None):
        self.recorded = True

    def synchronize(self):
        # Allowed during a capture, by another thread, and not counted: it guards memory of the host.
        assert self.recorded


class MemoryPool:
    """``cupy.cuda.MemoryPool``."""

    def malloc(self, size):
        raise NotImplementedError("the stand-in only looks at which allocator is in force")


class Cublas:
    """The stand-in for libcublas: it reads its arguments as C would and multiplies in columns, on host memory."""

    def __init__(self, device):
        self.device = device
        self.calls = []  # the compute type of each product
        self.state = {}

    def cublasCreate_v2(self, handle):
        self.device.refuse_during_capture("cublasCreate")
        handle._obj.value = 1000 + len(self.state)
        self.state[handle._obj.value] = {"stream": None, "workspace": None}
        return 0

    def cublasSetStream_v2(self, handle, stream):
        self.state[handle.value] = {"stream": stream, "workspace": None}  # the workspace is taken away
        return 0

    def cublasSetWorkspace_v2(self, handle, pointer, size):
        self.state[handle.value]["workspace"] = (pointer, size)
        return 0

    def cublasGemmEx(
        self, handle, op_a, op_b, m, n, k, alpha, a, type_a, lda, b, type_b, ldb, beta, c, type_c, ldc, compute, algo
    ):
        state = self.state[handle.value]
        assert state["workspace"], "no workspace: a captured product would allocate"
        assert state["stream"] == self.device.current.ptr, "a handle of another stream"
        number = {0: ctypes.c_float, 1: ctypes.c_double}[type_c]
        if not (type_a == type_b == type_c and compute in {0: (68, 77), 1: (70,)}[type_c] and algo == -1):
            return 15  # CUBLAS_STATUS_NOT_SUPPORTED
        if lda < max(1, k if op_a else m) or ldb < max(1, n if op_b else k) or ldc < max(1, m):
            return 7  # CUBLAS_STATUS_INVALID_VALUE
        factors = (number.from_address(alpha).value, number.from_address(beta).value)  # read when the call is made
        self.calls.append(compute)

        def matrix(pointer, rows, columns, leading):
            """A matrix in columns: element (i, j) lies at pointer + i + j·leading."""
            buffer = (number * (leading * (columns - 1) + rows)).from_address(pointer)
            flat = np.frombuffer(buffer, np.dtype(number))
            return np.lib.stride_tricks.as_strided(flat, (rows, columns), (flat.itemsize, flat.itemsize * leading))

        def multiply():
            A = matrix(a, k, m, lda).T if op_a else matrix(a, m, k, lda)
            B = matrix(b, n, k, ldb).T if op_b else matrix(b, k, n, ldb)
            C = matrix(c, m, n, ldc)
            C[...] = factors[0] * (A @ B) + (factors[1] * C if factors[1] else 0)

        self.device.act(multiply)
        return 0


def namespace(device) -> types.SimpleNamespace:
    """What stands in for ``cupy.cuda``: one device with a driver."""
    properties = {"name": b"pretended GPU", "totalGlobalMem": 2**30}
    runtime = types.SimpleNamespace(
        driverGetVersion=lambda: 13000,
        getDeviceCount=lambda: 1,
        getDevice=lambda: 0,
        getDeviceProperties=lambda index: properties,
        memGetInfo=lambda: (2**30, 2**30),
    )

    @contextlib.contextmanager
    def using_allocator(allocator):
        before, device.allocator = device.allocator, allocator
        try:
            yield
        finally:
            device.allocator = before

    return types.SimpleNamespace(
        runtime=runtime,
        Device=lambda: types.SimpleNamespace(id=0, compute_capability="90", synchronize=device.synchronise),
        Stream=lambda non_blocking=False: Stream(device, non_blocking),
        Event=Event,
        get_current_stream=lambda: device.current,
        MemoryPool=MemoryPool,
        using_allocator=using_allocator,
        alloc_pinned_memory=lambda size: bytearray(size + 512),  # a pool gives more than was asked for
    )
