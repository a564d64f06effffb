"""Matrix products of arrays in rows, through cuBLAS, which is column-major.

A matrix in rows is its own transpose in columns: C = A·B in rows is Cᵀ = Bᵀ·Aᵀ in columns, with the same memory. So
the factors change places, nothing else. A transposed view is a matrix in columns, and its memory is taken as it lies.
"""

from tinygan.array import Array, array_module
from tinygan.ops.cuda import cublas
from tinygan.ops.cuda.launch import countable


def matmul(a: Array, b: Array, total: Array | None = None) -> Array:
    """For float32 and float64; the factors must be contiguous in rows or in columns, ``total`` in rows.

    Raises ValueError: shapes that do not fit, different types, or strides that cuBLAS cannot take.
    """
    (M, K), (K_of_b, N), xp = a.shape, b.shape, array_module(a)
    out = xp.empty((M, N), a.dtype) if total is None else total
    if K_of_b != K or out.shape != (M, N) or not a.dtype == b.dtype == out.dtype:
        raise ValueError(f"{a.dtype} {(M, K)} times {b.dtype} {(K_of_b, N)} does not give {out.dtype} {out.shape}")
    countable(max(a.size, b.size, out.size))
    if not out.size:
        return out
    ldc, operation = _layout(out)
    if operation == cublas.T:
        raise ValueError("the result's rows must be contiguous")
    factors = ((x.data.ptr, *_layout(x)) for x in (b, a))
    cublas.handle(xp).gemm(a.dtype, (N, M, K), *factors, (out.data.ptr, ldc), total is not None)
    return out


def _layout(x: Array) -> tuple[int, int]:
    """(distance between lines in elements, T if the lines are columns) of a matrix."""
    (rows, columns), strides = x.shape, [stride // x.itemsize for stride in x.strides]
    # The stride within a line of one element means nothing; nor does the one from a single line to the next.
    for lines, length, to_next_line, to_next, operation in (
        (rows, columns, strides[0], strides[1], cublas.N),
        (columns, rows, strides[1], strides[0], cublas.T),
    ):
        if (length <= 1 or to_next == 1) and (lines <= 1 or to_next_line >= max(1, length)):
            return max(1, length, to_next_line if lines > 1 else 0), operation
    raise ValueError(f"a matrix with strides {tuple(x.strides)} is contiguous neither in rows nor in columns")
