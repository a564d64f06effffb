"""cuBLAS through ctypes, with handles of our own.

CuPy refuses its own cuBLAS calls while a stream is being captured; a handle that CuPy does not know works there. Each
handle belongs to one stream and has a workspace of its own: without one, a captured product would allocate inside the
graph, and two streams sharing one would overwrite each other's.
"""

import ctypes
import functools
from types import ModuleType
from typing import Any

import numpy as np

from tinygan.errors import TinyganError

N, T = 0, 1  # CUBLAS_OP_N, CUBLAS_OP_T
DATA_TYPES = {"float32": 0, "float64": 1}  # CUDA_R_32F, CUDA_R_64F
COMPUTE_32F, COMPUTE_32F_FAST_TF32, COMPUTE_64F = 68, 77, 70
DEFAULT_ALGORITHM = -1
WORKSPACE = {True: 32 * 2**20, False: 4 * 2**20}  # what NVIDIA recommends from Hopper on, and before it

Three = tuple[int, int, int]
# Whether float32 products round their factors to TF32; one setting for the process, made by device.py.
tf32 = False

# cublasGemmEx(handle, op(A), op(B), m, n, k, alpha, A, type, lda, B, type, ldb, beta, C, type, ldc, compute, algorithm)
_i, _p = ctypes.c_int, ctypes.c_void_p
GEMM_EX = [_p, _i, _i, _i, _i, _i, _p, _p, _i, _i, _p, _i, _i, _p, _p, _i, _i, _i, _i]
PROTOTYPES = {
    "cublasCreate_v2": [ctypes.POINTER(_p)],
    "cublasSetStream_v2": [_p, _p],
    "cublasSetWorkspace_v2": [_p, _p, ctypes.c_size_t],
    "cublasGemmEx": GEMM_EX,
}


class Handle:
    """A cuBLAS handle bound to one stream of one device."""

    def __init__(self, xp: ModuleType, device: int, stream: Any):
        self.library = library = load_library()
        self.stream = stream  # which must live as long as the handle
        self.handle = _p()
        _check(library.cublasCreate_v2(ctypes.byref(self.handle)), "cublasCreate")
        hopper = int(xp.cuda.Device(device).compute_capability) >= 90
        # An array of its own, never freed: a graph may hold its address.
        self.workspace = xp.empty(WORKSPACE[hopper], np.uint8)
        # In this order: setting the stream takes the workspace away again.
        _check(library.cublasSetStream_v2(self.handle, stream.ptr), "cublasSetStream")
        pointer, size = self.workspace.data.ptr, self.workspace.nbytes
        _check(library.cublasSetWorkspace_v2(self.handle, pointer, size), "cublasSetWorkspace")

    def gemm(self, dtype: np.dtype, size: Three, a: Three, b: Three, c: tuple[int, int], accumulate: bool) -> None:
        """C = op(A)·op(B), or += with ``accumulate``; all matrices column-major, float32 or float64.

        ``size`` is (m, n, k): C is m×n, op(A) m×k, op(B) k×n. ``a`` and ``b`` are (pointer, leading dimension, N or T).
        """
        kind = DATA_TYPES[dtype.name]
        compute = COMPUTE_64F if dtype.itemsize == 8 else COMPUTE_32F_FAST_TF32 if tf32 else COMPUTE_32F
        # Read on the host when the call is made, or captured.
        number = ctypes.c_double if dtype.itemsize == 8 else ctypes.c_float
        alpha, beta = number(1), number(int(accumulate))
        (a_pointer, lda, a_op), (b_pointer, ldb, b_op), (c_pointer, ldc) = a, b, c
        status = self.library.cublasGemmEx(
            *(self.handle, a_op, b_op, *size, ctypes.addressof(alpha)),
            *(a_pointer, kind, lda, b_pointer, kind, ldb, ctypes.addressof(beta)),
            *(c_pointer, kind, ldc, compute, DEFAULT_ALGORITHM),
        )
        _check(status, "cublasGemmEx")


def handle(xp: ModuleType) -> Handle:
    """The handle of the current stream, made at the first use (never during a capture: that allocates)."""
    return _handle(xp, xp.cuda.Device().id, xp.cuda.get_current_stream())


_handle = functools.cache(Handle)


@functools.cache
def load_library() -> ctypes.CDLL:
    """libcublas, found where CuPy would find it; TinyganError if it is not there."""
    from cuda.pathfinder import load_nvidia_dynamic_lib

    try:
        library = ctypes.CDLL(load_nvidia_dynamic_lib("cublas").abs_path)
    except (RuntimeError, OSError) as error:
        raise TinyganError(f"cuBLAS cannot be loaded ({error}): reinstall CuPy with one of the cuda extras") from error
    for name, arguments in PROTOTYPES.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, ctypes.c_int
    return library


def _check(status: int, call: str) -> None:
    if status:
        raise TinyganError(f"{call} failed with cuBLAS status {status}: check nvidia-smi and the device's free memory")
