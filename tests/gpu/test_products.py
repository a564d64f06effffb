"""Products in rows by a library that thinks in columns: every transpose, odd shapes, leading dimensions."""

import itertools

import numpy as np
import pytest

from tinygan.device import open_backend
from tinygan.errors import TinyganError
from tinygan.ops.cuda import cublas
from tinygan.ops.cuda.matmul import matmul
from tinygan.rng import rng_for

SIZES = [(3, 5, 7), (1, 5, 7), (3, 1, 7), (3, 5, 1), (1, 1, 1), (64, 300, 33)]
TRANSPOSES = list(itertools.product([False, True], repeat=2))


def matrix(rows, columns, purpose, dtype):
    return rng_for(0, purpose).standard_normal((rows, columns)).astype(np.float32).astype(dtype)


@pytest.mark.parametrize("transposes", TRANSPOSES, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_transpose(xp, dtype, close, size, transposes):
    M, N, K = size
    a, b = matrix(M, K, "a", np.float64), matrix(K, N, "b", np.float64)
    before = matrix(M, N, "out", np.float64)
    factors = [
        xp.asarray(x.T.astype(dtype).copy()).T if transpose else xp.asarray(x.astype(dtype))
        for x, transpose in zip((a, b), transposes, strict=True)
    ]
    total = xp.asarray(before.astype(dtype))
    assert matmul(*factors, total) is total
    close(total, a @ b + before, 10)
    close(matmul(*factors), a @ b, 10)


@pytest.mark.parametrize("transposes", TRANSPOSES, ids=str)
def test_views(xp, dtype, close, transposes):
    """Columns out of wider matrices, and transposed views: distances between lines that are not their length."""
    a, b = matrix(6, 11, "a", np.float64), matrix(11, 9, "b", np.float64)
    wide_out = xp.asarray(matrix(6, 20, "wide", dtype))
    before = wide_out.get()
    views = []
    for factor, flip in zip((a, b), transposes, strict=True):
        stored = factor.T if flip else factor
        wide = xp.asarray(matrix(len(stored), 20, "wide", dtype))
        view = wide[:, 3 : 3 + stored.shape[1]]
        view[...] = xp.asarray(stored.astype(dtype))
        views.append(view.T if flip else view)
    matmul(*views, wide_out[:, 4:13])
    close(wide_out[:, 4:13].copy(), a @ b + before[:, 4:13], 10)
    np.testing.assert_array_equal(
        wide_out.get()[:, [*range(4), *range(13, 20)]], before[:, [*range(4), *range(13, 20)]]
    )


def test_what_does_not_fit_is_refused(xp):
    x = xp.ones((4, 6), np.float32)
    for bad in (
        lambda: matmul(x, x),
        lambda: matmul(x, xp.ones((6, 2), np.float64)),
        lambda: matmul(x, x.T, xp.ones((4, 5), np.float32)),
        lambda: matmul(x[:, ::2], x[:, ::2].T),
        lambda: matmul(x, x.T, xp.ones((8, 8), np.float32).T[::2, ::2]),
    ):
        with pytest.raises(ValueError, match=r"does not give|contiguous"):
            bad()
    assert matmul(xp.ones((0, 3), np.float32), xp.ones((3, 2), np.float32)).shape == (0, 2)


@pytest.mark.parametrize("precision", ["float32", "tf32", "auto"])
def test_tf32_is_taken_where_it_is_asked_for(xp, precision):
    """12 bits of mantissa, where TF32 keeps 10."""
    open_backend("gpu", precision)
    a = xp.full((512, 512), 1 + 2**-12, np.float32)  # large enough for the tensor cores to be worth it
    exact = 512 * (1 + 2**-12) ** 2
    rounded = abs(float(matmul(a, a)[0, 0]) - exact) > 1e-2
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
        handle.gemm(np.dtype(np.float32), size, factor, factor, (pointer, 4), False)
