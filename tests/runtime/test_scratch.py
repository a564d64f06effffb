"""Scratch memory is a thread's own, grows, is used again, and is given back when that is wanted."""

import threading

import numpy as np
import pytest

from tinygan.runtime.scratch import _scratch, aligned, release_scratch, scratch
from tinygan.runtime.threads import run, thread_count, use_all_cores


@pytest.fixture(params=[1, 2, 3], autouse=True)
def thread_number(request):
    before = thread_count()
    use_all_cores(request.param)
    yield request.param
    use_all_cores(before)


def test_scratch_is_the_tasks_own(thread_number):
    together = threading.Barrier(thread_number, timeout=10)
    sums = []

    def work(value):
        first, second = scratch((100,), np.float32), scratch((3, 50), np.float64)
        first[:], second[:] = value, -value
        together.wait()
        sums.append((value, float(first.sum()), float(second.sum())))

    run([lambda value=value: work(value) for value in range(1, thread_number + 1)])
    assert sorted(sums) == [(value, 100.0 * value, -150.0 * value) for value in range(1, thread_number + 1)]


def test_scratch_grows_without_losing_what_was_handed_out():
    def work():
        small = scratch((10,), np.float32)
        small[:] = 7
        scratch((_scratch.block.size + 1000,), np.uint8)[:] = 1
        assert (small == 7).all()

    run([work] * 3)


def test_scratch_is_aligned_and_used_again():
    addresses = []

    def work():
        scratch((3,), np.uint8)
        addresses.append(scratch((5, 4), np.float32).ctypes.data)

    release_scratch()
    run([work] * 3, alone=True)
    assert _scratch.block.size == 64 + 80
    assert addresses[1] == addresses[2]
    assert addresses[1] % 64 == 0


@pytest.mark.parametrize("shape", [(), (5,), (3, 100)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_arrays_begin_with_a_cache_line(shape, dtype):
    kept = [aligned(shape, dtype) for _ in range(20)]
    for array in kept:
        assert array.ctypes.data % 64 == 0
        assert (array.shape, array.dtype, array.flags.c_contiguous) == (shape, dtype, True)
        array[...] = 1  # there is memory behind it


def test_released_scratch_is_given_back():
    def work():
        scratch((10**6,), np.uint8)

    run([work] * 2, alone=True)
    assert _scratch.block.size >= 10**6
    release_scratch()
    run([lambda: None], alone=True)
    assert _scratch.block.size == 0
