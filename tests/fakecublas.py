"""Libraries that tinygan calls by ctypes, for the stand-in: cuBLAS, and the driver as far as it is asked.

cuBLAS reads its arguments as C would and multiplies in columns, on host memory. With TF32 it rounds both factors.
"""

import ctypes

import numpy as np

from tests.fakecuda import Node

FAST_TF32 = 77


class Cublas:
    """The stand-in for libcublas."""

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
        if pointer % 256:
            return 7  # CUBLAS_STATUS_INVALID_VALUE
        self.state[handle.value]["workspace"] = self.device.memory.at(pointer)
        return 0

    def cublasGemmEx(
        self, handle, op_a, op_b, m, n, k, alpha, a, type_a, lda, b, type_b, ldb, beta, c, type_c, ldc, compute, algo
    ):
        state = self.state[handle.value]
        assert state["workspace"], "no workspace: a captured product would allocate"
        assert state["stream"] == self.device.current.ptr, "a handle of another stream"
        number = {0: ctypes.c_float, 1: ctypes.c_double}[type_c]
        if not (type_a == type_b == type_c and compute in {0: (68, FAST_TF32), 1: (70,)}[type_c] and algo == -1):
            return 15  # CUBLAS_STATUS_NOT_SUPPORTED
        if lda < max(1, k if op_a else m) or ldb < max(1, n if op_b else k) or ldc < max(1, m):
            return 7  # CUBLAS_STATUS_INVALID_VALUE
        factors = (number.from_address(alpha).value, number.from_address(beta).value)  # read when the call is made
        self.calls.append(compute)
        with self.device.lock:
            blocks = [state["workspace"], *map(self.device.memory.at, (a, b, c))]

        def matrix(pointer, rows, columns, leading):
            """A matrix in columns: element (i, j) lies at pointer + i + j·leading."""
            buffer = (number * (leading * (columns - 1) + rows)).from_address(pointer)
            flat = np.frombuffer(buffer, np.dtype(number))
            return np.lib.stride_tricks.as_strided(flat, (rows, columns), (flat.itemsize, flat.itemsize * leading))

        def multiply():
            A = matrix(a, k, m, lda).T if op_a else matrix(a, m, k, lda)
            B = matrix(b, n, k, ldb).T if op_b else matrix(b, k, n, ldb)
            C = matrix(c, m, n, ldc)
            if compute == FAST_TF32:
                A, B = rounded(A), rounded(B)
            C[...] = factors[0] * (A @ B) + (factors[1] * C if factors[1] else 0)
            for block in blocks:
                block.check()

        size = ctypes.sizeof(number)
        shapes = ((m, k), (k, n), (m, n))
        arrays = tuple((shape, size * shape[0] * shape[1]) for shape in shapes)
        name = f"{'NT'[op_a]}{'NT'[op_b]}{'+' if factors[1] else ''}"
        self.device.submit(Node("gemm", name, multiply, arrays, (m, n, k)))
        return 0


class Driver:
    """The stand-in for libcuda: what a graph consists of."""

    def __init__(self, device):
        self.device = device

    def cuGraphGetNodes(self, graph, nodes, count):
        assert nodes is None
        count._obj.value = len(self.device.graphs[graph.value].nodes)
        return 0


def rounded(x: np.ndarray) -> np.ndarray:
    """float32 rounded to the 10 bits of mantissa that TF32 has."""
    return ((np.ascontiguousarray(x).view(np.uint32) + 0x1000) & 0xFFFFE000).view(np.float32)
