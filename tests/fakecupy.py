"""A stand-in for CuPy on machines without a GPU: as strict about the border between host and device.

Its arrays are NumPy arrays in a wrapper that, like CuPy's, refuses every implicit conversion and every operation
with a host array. What runs on it never mixes the two, and calls only functions that CuPy has (checked where CuPy is
installed). CUDA kernels are run from their own text, compiled as C++ (``gpu/emulator.py``); streams and captures are
in ``fakecuda.py``, memory in ``fakememory.py``. About speed, and what only a device does, it says nothing; the gpu
tests do.

What it does not model: CuPy's own operations keep denormal numbers here (on a device they are 0 in float32), pools
hand a block out for its own size only and never divide one, and operations of one stream are late only where
``fakecuda.py`` says so. Two streams that no event ties together are not interleaved.
"""

import importlib.machinery
import importlib.util
import math
import sys
import types

import numpy as np

from tests import fakecublas, fakecuda, fakenccl
from tests.fakecuda import Node
from tests.gpu import emulator

METHODS = ("sum", "mean", "reshape", "astype", "all", "any", "copy", "clip", "ravel", "transpose", "max", "min")
PROPERTIES = ("shape", "size", "ndim", "dtype", "strides", "nbytes", "itemsize", "flags")
PRODUCTS = ("matmul", "dot", "tensordot", "einsum", "inner", "vdot")

device = fakecuda.Device()  # a new one with each install


class DeviceArray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array that lives on the pretended device; views refer to the same memory."""

    def __init__(self, value, memory):
        self._value, self._memory = value, memory

    def __array__(self, *arguments, **keywords):
        raise TypeError("implicit conversion of a device array to NumPy")

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **keywords):
        if out is not None:
            keywords["out"] = out
        return _call(ufunc.__name__, getattr(ufunc, method), inputs, keywords)

    def __getitem__(self, key):
        keys = key if isinstance(key, tuple) else (key,)
        whole = keys if any(part is Ellipsis for part in keys) else (*keys, ...)  # a single value is a view too
        return _call("take", lambda value, key: value[key], (self, whole), {})

    def __setitem__(self, key, value):
        _submit("assign", lambda target, key, value: target.__setitem__(key, value), (self, key, value), {}, self)

    def __len__(self):
        return len(self._value)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __bool__(self):
        return bool(self.get())

    def __float__(self):
        return float(self.get())

    def item(self):
        return self.get().item()

    def fill(self, value):
        kind = "memset" if value == 0 else "cupy"
        _submit("fill", lambda target, value: target.fill(value), (self, value), {}, self, kind)

    def get(self):
        device.refuse_during_capture("get")
        if not self._value.flags.c_contiguous:
            with device.current:  # as CuPy copies it first: `with` ends at the top of the stack, whatever was in use
                pass
        device.wait(device.current)
        return self._value.copy()

    def set(self, host, stream=None):
        stream = stream or device.current
        device.refuse_during_capture("set", stream)
        assert host.dtype == self.dtype
        assert host.shape == self.shape
        source = host if device.pinned.holds(host) else host.copy()  # other memory is read before `set` returns
        with device.lock:
            stream.queue.append(lambda target=self._value: target.__setitem__(..., source))

    @property
    def data(self):
        return types.SimpleNamespace(ptr=self._value.ctypes.data)

    @property
    def T(self):
        return DeviceArray(self._value.T, self._memory)


def _method(name):
    return lambda self, *arguments, **keywords: _call(
        name, lambda value, *a, **k: getattr(value, name)(*a, **k), (self, *arguments), keywords
    )


for _name in (*METHODS, "view"):
    setattr(DeviceArray, _name, _method(_name))
for _name in PROPERTIES:
    setattr(DeviceArray, _name, property(lambda self, name=_name: getattr(self._value, name)))


def unwrap(value):
    """The inner array of a device array; a host array is refused, also one without axes."""
    if isinstance(value, DeviceArray):
        return value._value
    if isinstance(value, list | tuple):
        return type(value)(map(unwrap, value))
    if isinstance(value, np.ndarray):
        raise TypeError("a host array in an operation on the device")
    return value


def _device_arrays(values):
    for value in values:
        if isinstance(value, DeviceArray):
            yield value
        elif isinstance(value, list | tuple):
            yield from _device_arrays(value)


def allocate(shape, dtype) -> DeviceArray:
    """An array without values, from the allocator in force."""
    dtype, shape = np.dtype(dtype), tuple(shape)
    assert dtype.kind in "biuf", f"no array of {dtype} on a device"
    count = math.prod(shape)
    pointer = device.thread.allocator(count * dtype.itemsize)
    block = pointer.mem.block
    return DeviceArray(np.ndarray(shape, dtype, block.bytes[: count * dtype.itemsize]), pointer.mem)


def _submit(name, function, arguments, keywords, target, kind="cupy") -> None:
    """An operation that writes into ``target``; it may be carried out later, when nobody refers to its arrays."""
    given, kept = unwrap(list(arguments)), {key: unwrap(value) for key, value in keywords.items()}
    read = [array for array in _device_arrays(arguments) if array is not target or name.endswith("=")]
    blocks = [array._memory.block for array in (*read, target)]

    def run():
        for block in blocks:
            assert block.alive, "an address in memory that was given back to the device"
        function(*given, **kept)

    part = target._value[given[1]] if name == "assign" else target
    described = tuple((array.shape, array.nbytes) for array in (*read, part))
    device.submit(Node(kind, name, run, described))


def _call(name, function, arguments, keywords):
    """What CuPy does with an array function: a view, an array that is there, or a new one; scalars are arrays too."""
    inputs = [*_device_arrays(arguments), *_device_arrays(keywords.values())]
    given, kept = unwrap(tuple(arguments)), {key: unwrap(value) for key, value in keywords.items()}
    out = keywords.get("out")
    if name in PRODUCTS:
        refuse_products(function, given, {key: value for key, value in kept.items() if key != "out"})
    if out is not None:
        out = out[0] if isinstance(out, tuple) else out
        _submit(f"{name}=", function, arguments, keywords, out)
        return out
    with device.lock, np.errstate(all=None if device.current.capture is None else "ignore"):
        if device.current.capture is None:
            device.current.drain()
        value = np.asarray(function(*given, **kept))
    for one in inputs:
        if np.may_share_memory(value, one._value):
            return DeviceArray(value, one._memory)
    result = allocate(value.shape, value.dtype)

    def write(target, *given):
        target[...] = function(*given, **kept)

    if device.current.capture is None:
        _submit(name, lambda target, *given: target.__setitem__(..., value), (result, *arguments), {}, result)
    elif name in ("zeros", "zeros_like"):
        _submit(name, lambda target, *given: target.fill(0), (result,), {}, result, "memset")
    else:
        _submit(name, write, (result, *arguments), {}, result)
    return result


def refuse_products(function, given, keywords) -> None:
    """CuPy has no product during a capture but those of one value, which it computes without cuBLAS."""
    if device.current.capture is not None and np.size(function(*given, **keywords)) != 1:
        device.refuse_during_capture("a product of CuPy's own")


class FakeModule(types.ModuleType):
    """``numpy`` under CuPy's name and rules."""

    def __init__(self, name, inner, real):
        super().__init__(name)
        self._inner, self._real = inner, real

    def __getattr__(self, name):
        if self._real is not None and not hasattr(self._real, name):
            raise AttributeError(f"CuPy has no {self.__name__}.{name}")
        inner = getattr(self._inner, name)
        if isinstance(inner, types.ModuleType):
            return FakeModule(f"{self.__name__}.{name}", inner, getattr(self._real, name, None))
        if isinstance(inner, type) or not callable(inner):
            return inner
        return lambda *arguments, **keywords: _function(name, inner, arguments, keywords)


def _function(name, function, arguments, keywords):
    if name in ("empty", "empty_like"):
        like = function(*unwrap(arguments), **keywords)
        return allocate(like.shape, like.dtype)
    if name in ("asarray", "array") and not isinstance(arguments[0], DeviceArray):
        device.refuse_during_capture("a copy to the device")
        value = function(*arguments, **keywords)
        array = allocate(value.shape, value.dtype)
        array.set(value)
        return array
    if name in ("concatenate", "stack"):
        return _join(function, arguments[0], keywords.get("axis", 0))
    if name == "copyto":
        return _submit(name, function, arguments, keywords, arguments[0])
    return _call(name, function, arguments, keywords)


def _join(function, parts, axis):
    """``concatenate`` and ``stack``: a copy of each part into its place, as CuPy does it."""
    whole = function(unwrap(list(parts)), axis=axis)
    result, start = allocate(whole.shape, whole.dtype), 0
    for part in parts:
        stacked = function is np.stack
        stop = start + (1 if stacked else part.shape[axis])
        place = (slice(None),) * axis + ((start,) if stacked else (slice(start, stop),))
        result[place] = part
        start = stop
    return result


class RawModule(emulator.Module):
    """``cupy.RawModule``."""

    def get_function(self, name):
        function = super().get_function(name)

        def launch(grid, block, arguments):
            given = [value._value if isinstance(value, DeviceArray) else value for value in arguments]
            arrays = [value for value in arguments if isinstance(value, DeviceArray)]
            blocks = {id(array._memory.block): array._memory.block for array in arrays}.values()

            def run():
                function(grid, block, tuple(given))
                for one in blocks:
                    one.check()

            # One that stands in for another, or is read twice, is one.
            distinct = {(array.data.ptr, array.nbytes): array for array in reversed(arrays)}
            described = tuple((array.shape, array.nbytes) for array in reversed(distinct.values()))
            numbers = tuple(value.item() for value in arguments if not isinstance(value, DeviceArray))
            constants = {constant: int(value) for constant, value in function.constants.items()}
            device.submit(Node("kernel", name, run, described, numbers, grid[0] * block[0], constants))

        return launch


def install(monkeypatch, devices=1):
    """Put the stand-in in ``cupy``'s place: so many devices, a driver, and working products."""
    global device
    real = None
    if importlib.util.find_spec("cupy"):
        import cupy as real
    device = fakecuda.Device(devices)
    module = FakeModule("cupy", np, real)
    module.__spec__ = importlib.machinery.ModuleSpec("cupy", None)
    module.cuda = fakecuda.namespace(device)
    module.cuda.nccl = fakenccl.Nccl(device)
    module.RawModule = RawModule
    pool = device.pool
    module.get_default_memory_pool = lambda: pool
    module.stand_in = types.SimpleNamespace(device=device, cublas=fakecublas.Cublas(device))
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setitem(sys.modules, "cupy.cuda.nccl", module.cuda.nccl)
    monkeypatch.setitem(sys.modules, "cupyx", types.SimpleNamespace(empty_pinned=device.pinned.empty))
    monkeypatch.setattr("tinygan.ops.cuda.cublas.load_library", lambda: module.stand_in.cublas)
    monkeypatch.setattr("tinygan.runtime.graph.load_driver", lambda: fakecublas.Driver(device))
    return module
