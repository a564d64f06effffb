"""Matrix products of arrays in rows, through cuBLAS, which is column-major.

A matrix in rows is its own transpose in columns: C = A·B in rows is Cᵀ = Bᵀ·Aᵀ in columns, with the same memory. So
the factors change places, nothing else.
"""

from tinygan.array import Array, array_module
from tinygan.ops.cuda import cublas
from tinygan.ops.cuda.launch import countable


def gemm(
    a: Array,
    b: Array,
    out: Array | None = None,
    accumulate: bool = False,
    transpose_a: bool = False,
    transpose_b: bool = False,
) -> Array:
    """op(a)·op(b) in ``out`` (M, N), or added to it; returns ``out``.

    Args:
        a: (M, K), with ``transpose_a`` (K, M); like b and out float32 or float64.
        b: (K, N), with ``transpose_b`` (N, K).
        out: where the result goes; None makes a new array. Rows or columns of all three must be contiguous.
        accumulate: add to ``out`` instead of overwriting it.

    Raises ValueError: shapes that do not fit, different types, or strides that cuBLAS cannot take.
    """
    M, K = a.shape[::-1] if transpose_a else a.shape
    K_of_b, N = b.shape[::-1] if transpose_b else b.shape
    xp = array_module(a)
    if out is None:
        out = xp.empty((M, N), a.dtype)
    if K_of_b != K or out.shape != (M, N) or not a.dtype == b.dtype == out.dtype:
        raise ValueError(f"{a.dtype} {(M, K)} times {b.dtype} {(K_of_b, N)} does not give {out.dtype} {out.shape}")
    countable(max(a.size, b.size, out.size))
    if not out.size:
        return out
    ldc, transposed = _layout(out)
    if transposed:
        raise ValueError("the result's rows must be contiguous")
    factors = (_factor(b, transpose_b), _factor(a, transpose_a))
    cublas.handle(xp).gemm(a.dtype, cublas.tf32, (N, M, K), *factors, (out.data.ptr, ldc), accumulate)
    return out


def matmul(a: Array, b: Array, total: Array | None = None) -> Array:
    return gemm(a, b, total, accumulate=total is not None)


def _factor(x: Array, transpose: bool) -> tuple[int, int, int]:
    """(pointer, leading dimension, operation) of a factor, for a library that thinks in columns."""
    leading, transposed = _layout(x)
    return x.data.ptr, leading, cublas.T if transpose != transposed else cublas.N


def _layout(x: Array) -> tuple[int, bool]:
    """(distance between lines in elements, whether the lines are columns) of a matrix."""
    (rows, columns), strides = x.shape, [stride // x.itemsize for stride in x.strides]
    # A line of one element has no stride to speak of, and a single line none to the next.
    for lines, length, to_next_line, to_next, transposed in (
        (rows, columns, strides[0], strides[1], False),
        (columns, rows, strides[1], strides[0], True),
    ):
        if (length <= 1 or to_next == 1) and (lines <= 1 or to_next_line >= max(1, length)):
            return max(1, length, to_next_line if lines > 1 else 0), transposed
    raise ValueError(f"a matrix with strides {tuple(x.strides)} is contiguous neither in rows nor in columns")
