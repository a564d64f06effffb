"""The tests of kernels and products run twice: on the CPU with the stand-ins, and on the device where there is one."""

import os

import numpy as np
import pytest

from tests import fakecupy
from tests.gpu import emulator
from tinygan.ops.cuda import cublas

# Sums are taken in another order: √n·eps for n up to some thousand terms, with a margin of 10.
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}


@pytest.fixture(params=["emulated", pytest.param("cuda", marks=pytest.mark.gpu)])
def xp(request, monkeypatch):
    """CuPy: the stand-in, whose kernels are the real sources compiled as C++, or the real one.

    Products in TF32 are a setting of the process, whichever test opened a backend last: here they begin exact.
    """
    monkeypatch.setattr(cublas, "tf32", False)
    if request.param == "cuda":
        import cupy

        if "EXACT_GPU_MEMORY" in os.environ:  # for a checker: CuPy's pool gives more than was asked for
            cupy.cuda.set_allocator(None)
        return cupy
    reason = emulator.why_no_compiler()
    if reason:
        pytest.skip(reason)
    return fakecupy.install(monkeypatch)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """Both precisions of the kernels."""
    return np.dtype(request.param)


@pytest.fixture
def close(dtype):
    """A function that compares a device array with its float64 reference, relative to the largest value."""

    def assert_close(actual, expected, factor=1.0):
        actual, expected = actual.get(), np.asarray(expected)
        assert actual.dtype == dtype
        assert actual.shape == expected.shape
        limit = factor * TOLERANCE[dtype.name] * max(np.abs(expected).max(initial=0), 1e-30)
        np.testing.assert_allclose(actual.astype(np.float64), expected, rtol=0, atol=limit)

    return assert_close
