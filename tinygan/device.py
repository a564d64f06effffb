"""The device: its array module ``xp``, precision, and transfers.

CuPy is imported only when a GPU is asked for or looked for, so a machine without it never notices.
"""

import ctypes
import functools
import importlib.util
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from tinygan.array import Array, array_module
from tinygan.errors import Choices, TinyganError, UsageError
from tinygan.runtime.cores import allowed_cores
from tinygan.runtime.sharedmemory import shared_zeros
from tinygan.runtime.threads import use_all_cores
from tinygan.text import how_to_install

DEVICES = ("auto", "cpu", "gpu")
PRECISIONS = Choices("precision", dict.fromkeys(("auto", "float32", "tf32"), np.float32) | {"float64": np.float64})
TENSOR_CORES = 80  # ten times the compute capability from which on devices multiply in TF32


@dataclass(frozen=True)
class Backend:
    """A device with its array module and the floating-point type of everything computed on it."""

    device: str  # "cpu" or "gpu"
    xp: ModuleType  # numpy or cupy
    dtype: np.dtype  # of parameters and activations
    description: str  # one line for people: processor or GPU model

    def __deepcopy__(self, copies: dict) -> "Backend":
        return self  # it never changes, and a module cannot be copied

    def to_device(self, host: np.ndarray) -> Array:
        """Copy a host array to the device as ``dtype`` (no copy where it already is that)."""
        return self.xp.asarray(host.astype(self.dtype, copy=False))

    def to_host(self, array: Array) -> np.ndarray:
        """Copy a device array to the host, waiting for it; a NumPy array passes through."""
        if array_module(array) is np:
            return np.asarray(array)
        # CuPy would make it contiguous itself, but leave another stream the current one.
        return (array if array.flags.c_contiguous else array.copy()).get()

    def zeros(self, count: int) -> Array:
        """Zeros, (count,): on the CPU, in memory shared with the processes that will be forked from this one."""
        return shared_zeros(count, self.dtype) if self.xp is np else self.xp.zeros(count, self.dtype)

    def free_memory(self) -> int:
        """Free bytes on the GPU."""
        return self.xp.cuda.runtime.memGetInfo()[0]

    def enter_stream(self) -> None:
        """On the GPU, send all work of the calling thread to the process's one stream from here on."""
        if self.device == "gpu" and self.xp.cuda.get_current_stream() != _stream(self.xp):
            _stream(self.xp).__enter__()  # for good; after `use()` the end of any `with` would forget it

    def page_locked(self, shape: tuple[int, ...]) -> np.ndarray:
        """Host memory, uint8, that the GPU copies from while the processor does something else."""
        import cupyx

        return cupyx.empty_pinned(shape, np.uint8)

    def copy_from(self, page_locked: np.ndarray) -> tuple[Array, Any]:
        """Start a copy to the GPU; the second value's ``synchronize()`` returns when the host memory is free again."""
        array = self.xp.empty(page_locked.shape, page_locked.dtype)
        array.set(page_locked)
        done = self.xp.cuda.Event()
        done.record()
        return array, done


def open_backend(device: str = "auto", precision: str = "float32") -> Backend:
    """Choose the device: ``cpu``, ``gpu``, or ``auto`` (the GPU if there is a usable one).

    Precision ``tf32`` stores float32 and lets the GPU's tensor cores round the factors of matrix products to 10 bits
    of mantissa, as PyTorch does for convolutions; it exists on the GPU only. ``auto`` is ``tf32`` on a GPU that has it
    and ``float32`` elsewhere. Products in TF32 or not is a setting of the process: the last backend decides.

    What this sets for the process: on the CPU, NumPy's matrix products to one thread each (tinygan's own threads run
    several of them) and the C library to keep freed memory. On the GPU all work of the calling thread goes to one
    stream from here on, not the default one: that could not be captured (``runtime/graph.py``).

    Raises TinyganError where ``gpu`` was asked for and cannot be used, with the reason and the remedy; UsageError for
    an unknown device or precision, or ``tf32`` on the CPU.
    """
    if device not in DEVICES:
        raise UsageError(f"unknown device {device!r}: choose one of {', '.join(DEVICES)}")
    dtype = np.dtype(PRECISIONS[precision])
    obstacle = None if device == "cpu" else why_no_gpu()
    if device == "gpu" and obstacle:
        raise TinyganError(f"device gpu: {obstacle}, or take the device cpu")
    if device != "cpu" and obstacle is None:
        return _open_gpu(precision, dtype)
    if precision == "tf32":
        raise UsageError("precision tf32 needs a GPU: take float32 on the CPU")
    _reuse_freed_memory()
    use_all_cores()
    return Backend("cpu", np, dtype, f"CPU, {allowed_cores()} cores")


def _reuse_freed_memory() -> None:
    """Have the C library keep freed memory for the next array instead of returning it to the system.

    By default every large array is mapped anew and each of its pages faulted in at first touch, every iteration again:
    a quarter to a third of a training step's time (docs/design.md). glibc only; elsewhere nothing is changed.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # the names of malloc.h
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def why_no_gpu() -> str | None:
    """None if CuPy has a usable GPU; else the reason and the remedy in one clause: no CuPy, no driver, no device."""
    if importlib.util.find_spec("cupy") is None:
        return f'CuPy is not installed: {how_to_install("cuda13")}, with an old driver ".[cuda12]"'
    try:
        import cupy
    except Exception as error:  # a broken CUDA installation raises whatever its loader raises
        return f"CuPy is installed but does not import ({error}): reinstall it with one of the cuda extras"
    if cupy.cuda.runtime.driverGetVersion() == 0:
        return "CuPy finds no NVIDIA driver: install one (nvidia-smi must work)"
    try:
        if cupy.cuda.runtime.getDeviceCount() == 0:
            return "the NVIDIA driver shows no device: check nvidia-smi and CUDA_VISIBLE_DEVICES"
        # A product, since cuBLAS is what is missing most often.
        (cupy.ones((2, 2)) @ cupy.ones((2, 2))).get()
    except Exception as error:  # cuBLAS or nvrtc missing, driver too old, device busy: the message is CUDA's own
        return f"the GPU does not work ({error}): check nvidia-smi, the driver's age and the installed cuda extra"
    return None


def _open_gpu(precision: str, dtype: np.dtype) -> Backend:
    import cupy

    from tinygan.ops.cuda import cublas

    if precision == "auto":
        precision = "tf32" if int(cupy.cuda.Device().compute_capability) >= TENSOR_CORES else "float32"
    cublas.tf32 = precision == "tf32"  # CuPy's own products stay exact: none is used
    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())
    memory = properties["totalGlobalMem"] / 2**30
    backend = Backend("gpu", cupy, dtype, f"{properties['name'].decode()}, {memory:.0f} GiB, {precision}")
    backend.enter_stream()
    return backend


@functools.cache
def _stream(cupy: ModuleType) -> Any:
    """The process's one stream for device work."""
    return cupy.cuda.Stream(non_blocking=True)
