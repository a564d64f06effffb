"""A stand-in for CuPy on machines without a GPU: as strict about the border between host and device.

Its arrays are NumPy arrays in a wrapper that, like CuPy's, refuses every implicit conversion and every operation
with a host array. What runs on it never mixes the two, and calls only functions that CuPy has (checked where CuPy is
installed). It says nothing about kernels or numbers; the gpu tests do.
"""

import importlib.machinery
import importlib.util
import sys
import types

import numpy as np

METHODS = ("sum", "mean", "reshape", "astype", "all", "any", "copy", "clip", "ravel", "transpose", "max", "min")
PROPERTIES = ("shape", "size", "ndim", "dtype", "strides", "nbytes")


class DeviceArray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array that lives on the pretended device."""

    def __init__(self, value):
        self._value = np.asarray(value)

    def __array__(self, *arguments, **keywords):
        raise TypeError("implicit conversion of a device array to NumPy")

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **keywords):
        keywords |= {} if out is None else {"out": tuple(map(unwrap, out))}
        result = getattr(ufunc, method)(*map(unwrap, inputs), **keywords)
        return self if out is not None and out[0] is self else wrap(result)

    def __getitem__(self, key):
        return wrap(self._value[unwrap(key)])

    def __setitem__(self, key, value):
        self._value[unwrap(key)] = unwrap(value)

    def __len__(self):
        return len(self._value)

    def __bool__(self):
        return bool(self._value)

    def fill(self, value):
        self._value.fill(value)

    def get(self):
        return self._value.copy()

    def set(self, host):
        self._value[:] = host

    @property
    def T(self):
        return wrap(self._value.T)


def _method(name):
    return lambda self, *a, **k: wrap(
        getattr(self._value, name)(*map(unwrap, a), **{n: unwrap(v) for n, v in k.items()})
    )


for _name in METHODS:
    setattr(DeviceArray, _name, _method(_name))
for _name in PROPERTIES:
    setattr(DeviceArray, _name, property(lambda self, name=_name: getattr(self._value, name)))


def wrap(value):
    """Results of array functions belong to the device, scalars too, as in CuPy."""
    return DeviceArray(value) if isinstance(value, np.ndarray | np.generic) else value


def unwrap(value):
    """The inner array of a device array; a host array is refused."""
    if isinstance(value, DeviceArray):
        return value._value
    if isinstance(value, list | tuple):
        return type(value)(map(unwrap, value))
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("a host array in an operation on the device")
    return value


def accept(value):
    """What ``asarray`` takes: an array from either side."""
    return value._value if isinstance(value, DeviceArray) else value


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
        take = accept if name in ("asarray", "array") else unwrap
        return lambda *a, **k: wrap(inner(*map(take, a), **{n: take(v) for n, v in k.items()}))


class FakeEvent:
    """A point in the device's work, which is always done already."""

    def record(self):
        self.recorded = True

    def synchronize(self):
        assert self.recorded


def install(monkeypatch):
    """Put the stand-in in ``cupy``'s place: one device, a driver, and working products."""
    real = None
    if importlib.util.find_spec("cupy"):
        import cupy as real
    module = FakeModule("cupy", np, real)
    module.__spec__ = importlib.machinery.ModuleSpec("cupy", None)
    properties = {"name": b"pretended GPU", "totalGlobalMem": 2**30}
    runtime = types.SimpleNamespace(
        driverGetVersion=lambda: 13000,
        getDeviceCount=lambda: 1,
        getDevice=lambda: 0,
        getDeviceProperties=lambda device: properties,
        memGetInfo=lambda: (2**30, 2**30),
    )
    module.cuda = types.SimpleNamespace(runtime=runtime, Event=FakeEvent)
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setitem(sys.modules, "cupyx", types.SimpleNamespace(empty_pinned=np.empty))
    return module
