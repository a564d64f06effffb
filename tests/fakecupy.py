"""A stand-in for CuPy on machines without a GPU: as strict about the border between host and device.

Its arrays are NumPy arrays in a wrapper that, like CuPy's, refuses every implicit conversion and every operation
with a host array. What runs on it never mixes the two, and calls only functions that CuPy has (checked where CuPy is
installed). CUDA kernels are run from their own text, compiled as C++ (``gpu/emulator.py``); streams and captures are
in ``fakecuda.py``. About speed, and what only a device does, it says nothing; the gpu tests do.
"""

import importlib.machinery
import importlib.util
import sys
import types

import numpy as np

from tests import fakecuda
from tests.gpu import emulator

METHODS = ("sum", "mean", "reshape", "astype", "all", "any", "copy", "clip", "ravel", "transpose", "max", "min")
PROPERTIES = ("shape", "size", "ndim", "dtype", "strides", "nbytes", "itemsize", "flags")
PRODUCTS = ("matmul", "dot", "tensordot", "einsum", "inner", "vdot")

device = fakecuda.Device()  # a new one with each install


class DeviceArray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array that lives on the pretended device."""

    def __init__(self, value):
        self._value = np.asarray(value)

    def __array__(self, *arguments, **keywords):
        raise TypeError("implicit conversion of a device array to NumPy")

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **keywords):
        if ufunc is np.matmul:
            device.refuse_during_capture("a product of CuPy's own")
        inputs = list(map(unwrap, inputs))
        if out is not None:
            keywords["out"] = tuple(map(unwrap, out))
            device.act(lambda: getattr(ufunc, method)(*inputs, **keywords))
            return out[0]
        return DeviceArray(device.produce(lambda: getattr(ufunc, method)(*inputs, **keywords)))

    def __getitem__(self, key):
        key = unwrap(key)
        return DeviceArray(device.produce(lambda: self._value[key], [self._value]))

    def __setitem__(self, key, value):
        key, value = unwrap(key), unwrap(value)
        device.act(lambda: self._value.__setitem__(key, value))

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
        device.act(lambda: self._value.fill(value))

    def get(self):
        device.refuse_during_capture("get")
        device.synchronise()
        return self._value.copy()

    def set(self, host, stream=None):
        device.refuse_during_capture("set")
        assert host.dtype == self.dtype
        assert host.shape == self.shape
        self._value[...] = host

    @property
    def data(self):
        return types.SimpleNamespace(ptr=self._value.ctypes.data)

    @property
    def T(self):
        return DeviceArray(self._value.T)


def _method(name):
    def call(self, *arguments, **keywords):
        arguments, keywords = unwrap(arguments), {n: unwrap(v) for n, v in keywords.items()}
        return _array(lambda: getattr(self._value, name)(*arguments, **keywords), [self._value], keywords.get("out"))

    return call


for _name in (*METHODS, "view"):
    setattr(DeviceArray, _name, _method(_name))
for _name in PROPERTIES:
    setattr(DeviceArray, _name, property(lambda self, name=_name: getattr(self._value, name)))


def _array(operation, inputs, out=None):
    """What an array function gives, results of array functions belong to the device, scalars too, as in CuPy."""
    if out is not None:
        device.act(operation)
        return DeviceArray(out)
    return DeviceArray(device.produce(operation, inputs))


def unwrap(value):
    """The inner array of a device array; a host array is refused."""
    if isinstance(value, DeviceArray):
        return value._value
    if isinstance(value, list | tuple):
        return type(value)(map(unwrap, value))
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("a host array in an operation on the device")
    return value


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
        return lambda *arguments, **keywords: _call(name, inner, arguments, keywords)


def _call(name, function, arguments, keywords):
    if name in ("asarray", "array"):
        if not isinstance(arguments[0], DeviceArray):
            device.refuse_during_capture("a copy to the device")
            return DeviceArray(function(*arguments, **keywords))
    elif name in ("empty", "empty_like"):
        return DeviceArray(device.reserve(lambda: function(*unwrap(arguments), **keywords)))
    elif name in PRODUCTS:
        device.refuse_during_capture("a product of CuPy's own")
    arguments, keywords = unwrap(arguments), {n: unwrap(v) for n, v in keywords.items()}
    inputs = [value for value in (*arguments, *keywords.values()) if isinstance(value, np.ndarray)]
    return _array(lambda: function(*arguments, **keywords), inputs, keywords.get("out"))


class RawModule(emulator.Module):
    """``cupy.RawModule``."""

    def get_function(self, name):
        function = super().get_function(name)

        def launch(grid, block, arguments):
            host = [value._value if isinstance(value, DeviceArray) else value for value in arguments]
            device.act(lambda: function(grid, block, tuple(host)))

        return launch


def install(monkeypatch):
    """Put the stand-in in ``cupy``'s place: one device, a driver, and working products."""
    global device
    real = None
    if importlib.util.find_spec("cupy"):
        import cupy as real
    device = fakecuda.Device()
    module = FakeModule("cupy", np, real)
    module.__spec__ = importlib.machinery.ModuleSpec("cupy", None)
    module.cuda = fakecuda.namespace(device)
    module.RawModule = RawModule
    module.stand_in = types.SimpleNamespace(device=device, cublas=fakecuda.Cublas(device))
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setitem(sys.modules, "cupyx", types.SimpleNamespace(empty_pinned=np.empty))
    monkeypatch.setattr("tinygan.ops.cuda.cublas.load_library", lambda: module.stand_in.cublas)
    return module
