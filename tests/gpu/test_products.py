"""Products in rows by a library that thinks in columns: every transpose, odd shapes, leading dimensions."""

import itertools

import numpy as np
import pytest

from tinygan.device import open_backend
from tinygan.errors import TinyganError
from tinygan.ops.cuda import cublas
from tinygan.ops.cuda.matmul import gemm
from tinygan.rng import rng_for

SIZES = [(3, 5, 7), (1, 5, 7), (3, 1, 7), (3, 5, 1), (1, 1, 1), (64, 300, 33)]
TRANSPOSES = list(itertools.product([False, True], repeat=2))


def matrix(rows, columns, purpose, dtype):
    return rng_for(0, purpose).standard_normal((rows, columns)).astype(np.float32).astype(dtype)


@pytest.mark.parametrize("accumulate", [False, True], ids=["new", "accumulate"])
@pytest.mark.parametrize("transposes", TRANSPOSES, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_transpose(xp, dtype, close, size, transposes, accumulate):
    M, N, K = size
    a, b = matrix(M, K, "a", np.float64), matrix(K, N, "b", np.float64)
    before = matrix(M, N, "out", np.float64)
    stored = [(x.T if transpose else x).astype(dtype).copy() for x, transpose in zip((a, b), transposes, strict=True)]
    out = xp.asarray(before.astype(dtype))
    result = gemm(*map(xp.asarray, stored), out, accumulate, *transposes)
    assert result is out
    close(out, a @ b + before if accumulate else a @ b, 10)
    close(gemm(*map(xp.asarray, stored), None, False, *transposes), a @ b, 10)


@pytest.mark.parametrize("transposes", TRANSPOSES, ids=str)
def test_views(xp, dtype, close, transposes):
    """Columns out of wider matrices, and transposed views: distances between lines that are not their length."""
    a, b = matrix(6, 11, "a", np.float64), matrix(11, 9, "b", np.float64)
    wide_a, wide_b, wide_out = (xp.asarray(matrix(*s, "wide", dtype)) for s in ((6, 20), (11, 20), (6, 20)))
    untouched = wide_out.get()
    wide_a[:, 3:14], wide_b[:, 5:14] = xp.asarray(a.astype(dtype)), xp.asarray(b.astype(dtype))
    views = [x.T if flip else x for x, flip in zip((wide_a[:, 3:14], wide_b[:, 5:14]), transposes, strict=True)]
    gemm(*views, wide_out[:, 4:13], False, *transposes)
    close(wide_out[:, 4:13].copy(), a @ b, 10)
    np.testing.assert_array_equal(
        wide_out.get()[:, [*range(4), *range(13, 20)]], untouched[:, [*range(4), *range(13, 20)]]
    )


def test_what_does_not_fit_is_refused(xp):
    x = xp.ones((4, 6), np.float32)
    for bad in (
        lambda: gemm(x, x),
        lambda: gemm(x, xp.ones((6, 2), np.float64)),
        lambda: gemm(x, x, xp.ones((4, 5), np.float32), transpose_b=True),
        lambda: gemm(x[:, ::2], x[:, ::2], transpose_b=True),
        lambda: gemm(x, x, xp.ones((4, 4), np.float32).T[::2, ::2], transpose_b=True),
    ):
        with pytest.raises(ValueError, match=r"does not give|contiguous"):
            bad()
    assert gemm(xp.ones((0, 3), np.float32), xp.ones((3, 2), np.float32)).shape == (0, 2)


@pytest.mark.parametrize("precision", ["float32", "tf32", "auto"])
def test_tf32_is_taken_where_it_is_asked_for(xp, precision):
    """12 bits of mantissa, where TF32 keeps 10."""
    open_backend("gpu", precision)
    a = xp.full((64, 64), 1 + 2**-12, np.float32)
    exact = 64 * (1 + 2**-12) ** 2
    rounded = abs(float(gemm(a, a)[0, 0]) - exact) > 1e-3
    assert rounded == (precision != "float32" and int(xp.cuda.Device().compute_capability) >= 80)


def test_products_are_exact_after_another_test(xp):
    """Whichever test opened a backend last."""
    assert not cublas.tf32


def test_each_stream_has_its_handle_and_workspace(xp):
    with xp.cuda.Stream(non_blocking=True) as one:
        first = cublas.handle(xp)
        assert cublas.handle(xp) is first
        one.synchronize()
    with xp.cuda.Stream(non_blocking=True) as other:
        second = cublas.handle(xp)
        other.synchronize()
    assert second is not first
    assert second.workspace.data.ptr != first.workspace.data.ptr


def test_a_refused_call_is_one_line(xp):
    handle = cublas.handle(xp)
    pointer = xp.ones((4, 4), np.float32).data.ptr
    size, factor = (4, 4, 4), (pointer, 3, cublas.N)  # a leading dimension below the number of rows
    with pytest.raises(TinyganError, match="cublasGemmEx failed with cuBLAS status 7: check"):
        handle.gemm(np.dtype(np.float32), False, size, factor, factor, (pointer, 4), False)
