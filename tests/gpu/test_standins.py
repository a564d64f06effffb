"""The stand-ins refuse what a device refuses, and show what would go wrong on one."""

import threading

import numpy as np
import pytest

from tests.fakecublas import rounded
from tests.fakecuda import Node
from tests.gpu import emulator
from tinygan.ops.cuda import patches
from tinygan.ops.window import Window


@pytest.fixture
def cuda(fake_cupy):
    """The stand-in's ``cupy.cuda``."""
    return fake_cupy.cuda


@pytest.fixture
def stream(cuda):
    """A stream that can be captured, made the current one."""
    with cuda.Stream(non_blocking=True) as made:
        yield made


def test_the_end_of_a_with_forgets_a_stream_in_use(cuda):
    null, used = cuda.get_current_stream(), cuda.Stream(non_blocking=True).use()
    with cuda.Stream(non_blocking=True) as inner:
        assert cuda.get_current_stream() is inner
    assert cuda.get_current_stream() is null
    assert used is not null


def test_reading_an_array_with_gaps_ends_a_with(fake_cupy, cuda):
    x = fake_cupy.ones((4, 4))
    used = cuda.Stream(non_blocking=True).use()
    x.get()
    assert cuda.get_current_stream() is used
    x.T[::2].get()
    assert cuda.get_current_stream() is not used


def test_only_what_goes_to_the_captured_stream_is_captured(fake_cupy, cuda, stream):
    x, pool = fake_cupy.zeros(3), cuda.MemoryPool()
    stream.begin_capture()
    with cuda.using_allocator(pool.malloc):
        x += 1
        with cuda.Stream(non_blocking=True):
            x += 10
    graph = stream.end_capture()
    np.testing.assert_array_equal(x.get(), np.full(3, 10))
    assert len(graph.nodes) == 1


def test_a_thread_begins_with_the_default_stream_and_allocator(cuda, stream):
    seen = []
    with cuda.using_allocator(cuda.MemoryPool().malloc):
        thread = threading.Thread(target=lambda: seen.append(cuda.get_current_stream()))
        thread.start()
        thread.join()
    assert (seen[0].ptr, stream.ptr == 0) == (0, False)


def test_page_locked_memory_is_read_when_the_device_gets_there(fake_cupy, cuda, stream):
    for memory, expected in ((np.frombuffer(cuda.alloc_pinned_memory(8), np.uint8, 8), 2), (np.zeros(8, np.uint8), 1)):
        x = fake_cupy.zeros(8, np.uint8)
        memory[:] = 1
        x.set(memory, stream)
        memory[:] = 2  # too early: the copy may not even have begun
        np.testing.assert_array_equal(x.get(), np.full(8, expected))


def test_an_event_is_over_when_what_came_before_is(fake_cupy, cuda, stream):
    memory, x = np.frombuffer(cuda.alloc_pinned_memory(8), np.uint8, 8), fake_cupy.zeros(8, np.uint8)
    event = cuda.Event(disable_timing=True)
    memory[:] = 1
    x.set(memory, stream)
    event.record(stream)
    event.synchronize()
    memory[:] = 2
    np.testing.assert_array_equal(x.get(), np.ones(8))


def test_memory_that_was_given_back_is_handed_out_again_without_its_values(fake_cupy, cuda):
    x = fake_cupy.ones(100, np.float32)
    view, address = x[10:], x.data.ptr
    inner = x._value
    del x
    assert fake_cupy.empty(100, np.float32).data.ptr != address  # the view still has it
    assert (inner == 1).all()
    del view
    assert np.isnan(inner).all()
    again = fake_cupy.empty(100, np.float32)
    assert again.data.ptr == address
    assert np.isnan(again.get()).all()


def test_a_graph_that_uses_memory_it_does_not_own_is_found(fake_cupy, cuda, stream):
    """As an illegal address, where the memory is gone; by what the other owner wrote, where it is not."""
    pool = cuda.MemoryPool()
    total = fake_cupy.zeros(1000)
    with cuda.using_allocator(pool.malloc):
        stream.begin_capture()
        part = fake_cupy.ones(1000) + 1
        total += part
        graph = stream.end_capture()
    graph.launch()
    np.testing.assert_array_equal(total.get(), np.full(1000, 2))
    del part
    pool.free_all_blocks()
    graph.launch()
    with pytest.raises(AssertionError, match="given back to the device"):
        stream.synchronize()


def test_the_memory_of_a_graph_is_nobodys_before_each_launch(fake_cupy, cuda, stream):
    """A value that an earlier launch left behind does not pass for one of this launch."""
    pool, out = cuda.MemoryPool(), fake_cupy.zeros(1000)
    with cuda.using_allocator(pool.malloc):
        stream.begin_capture()
        stale = fake_cupy.empty(1000)
        out[...] = stale
        stale[...] = 1
        graph = stream.end_capture()
    for _ in range(2):
        graph.launch()
        assert np.isnan(out.get()).all()


def test_out_of_memory_frees_what_the_pool_has_and_tries_again(fake_cupy, cuda):
    memory = fake_cupy.stand_in.device.memory
    memory.limit = memory.used + 2**20
    x = fake_cupy.empty(2**19, np.uint8)
    pool = fake_cupy.get_default_memory_pool()
    del x
    assert pool.free_bytes() == 2**19
    y = fake_cupy.empty(2**20, np.uint8)
    assert pool.free_bytes() == 0
    with pytest.raises(cuda.memory.OutOfMemoryError, match="Out of memory allocating"):
        fake_cupy.empty(512, np.uint8)
    del y


def test_a_pool_that_is_dropped_keeps_the_devices_memory(fake_cupy, cuda):
    memory, pool = fake_cupy.stand_in.device.memory, cuda.MemoryPool()
    before = memory.used
    with cuda.using_allocator(pool.malloc):
        fake_cupy.empty(10_000, np.uint8)
    kept = memory.used
    assert kept > before
    del pool
    assert memory.used == kept
    pool = cuda.MemoryPool()
    with cuda.using_allocator(pool.malloc):
        fake_cupy.empty(10_000, np.uint8)
    pool.free_all_blocks()
    assert memory.used == kept


def test_products_in_tf32_are_rounded():
    x = np.array([1, 1 + 2**-10, 1 + 2**-12, 1 + 2**-11, -1 - 3 * 2**-12, 3e-39], np.float32)
    np.testing.assert_array_equal(rounded(x)[:5], [1, 1 + 2**-10, 1, 1 + 2**-10, -1 - 2**-10])


def test_a_product_to_one_value_may_be_captured(fake_cupy, cuda, stream):
    x = fake_cupy.ones((4, 4))
    stream.begin_capture()
    with cuda.using_allocator(cuda.MemoryPool().malloc):
        fake_cupy.tensordot(x, x)
        with pytest.raises(RuntimeError, match="capturing"):
            fake_cupy.tensordot(x, x, axes=1)
    assert stream.end_capture().nodes


def test_a_host_array_without_axes_is_refused_too(fake_cupy):
    x = fake_cupy.ones(3)
    for host in (np.ones(3), np.ones(())):
        for operation in (lambda x, h: x + h, lambda x, h: h * x, fake_cupy.maximum, lambda x, h: x.__setitem__(0, h)):
            with pytest.raises(TypeError, match="host array"):
                operation(x, host)
    np.testing.assert_array_equal((x * np.float32(2)).get(), np.full(3, 2))


def test_waiting_breaks_a_capture(cuda, stream):
    stream.begin_capture()
    with pytest.raises(RuntimeError, match="capturing"):
        stream.synchronize()
    with pytest.raises(RuntimeError, match="Invalidated"):
        stream.end_capture()
    assert not stream.is_capturing()


def test_the_workspace_is_aligned(fake_cupy):
    handle = type("Handle", (), {"value": 1})()
    fake_cupy.stand_in.cublas.state[1] = {}
    x = fake_cupy.empty(4096, np.uint8)
    assert fake_cupy.stand_in.cublas.cublasSetWorkspace_v2(handle, x.data.ptr, 4096) == 0
    assert fake_cupy.stand_in.cublas.cublasSetWorkspace_v2(handle, x.data.ptr + 16, 4000) == 7


def test_four_values_at_once_are_taken_from_aligned_arrays_only(fake_cupy, monkeypatch):
    values = np.arange(64, dtype=np.float32).reshape(1, 4, 4, 4)
    window = Window((2, 2), (2, 2), (0, 0))
    whole = fake_cupy.zeros(65, np.float32)
    x = whole[1:].reshape(values.shape)
    x[...] = fake_cupy.asarray(values)
    expected = patches.unfold(fake_cupy.asarray(values), window).get()
    np.testing.assert_array_equal(patches.unfold(x, window).get(), expected)
    monkeypatch.setattr(patches, "width", lambda channels, *arrays: 4)
    with pytest.raises(AssertionError, match="unfold: not aligned"):
        patches.unfold(x, window)


def launch(fake_cupy, body, count, *arrays, kernel_parameters="index_t count, REAL *y"):
    """Run a kernel that is written in the test."""
    source = f"""
    typedef unsigned int index_t;
    extern "C" __global__ void one({kernel_parameters})
    {{ const index_t i = blockIdx.x * blockDim.x + threadIdx.x; if (i >= count) return; {body} }}"""
    fake_cupy.RawModule(code=source, options=("-DREAL=float",)).get_function("one")(
        (1,), (64,), (np.uint32(count), *arrays)
    )


def test_a_kernel_that_writes_beside_its_array_is_found(fake_cupy):
    y = fake_cupy.zeros(7, np.float32)
    launch(fake_cupy, "y[i] = 1;", 7, y)
    for wrong in ("y[i + 1] = 1;", "y[(int)i - 1] = 1;"):
        with pytest.raises(AssertionError, match="outside an array"):
            launch(fake_cupy, wrong, 7, fake_cupy.zeros(7, np.float32))


def test_a_kernel_that_depends_on_the_order_of_its_threads_is_found(fake_cupy, monkeypatch):
    results = []
    for backwards in (False, True):
        monkeypatch.setattr(emulator, "backwards", backwards)
        y = fake_cupy.ones(8, np.float32)
        launch(fake_cupy, "if (i > 0) y[i] += y[i - 1];", 8, y)
        results.append(y.get())
    assert (results[0] != results[1]).any()


def test_numbers_near_nothing_are_nothing_in_float(fake_cupy):
    y = fake_cupy.asarray(np.full(4, 1e-39, np.float32))
    launch(fake_cupy, "y[i] *= 2;", 4, y)
    assert not y.get().any()
    assert np.float32(1e-39) * np.float32(2) > 0  # the host's numbers are as before


def test_an_operation_that_was_recorded_can_be_described(fake_cupy, cuda, stream):
    x = fake_cupy.ones((2, 3), np.float32)
    stream.begin_capture()
    with cuda.using_allocator(cuda.MemoryPool().malloc):
        y = x + 1
        y.fill(0)
    add, memset = stream.end_capture().nodes
    assert isinstance(add, Node)
    assert (add.kind, add.name, add.arrays) == ("cupy", "add", (((2, 3), 24), ((2, 3), 24)))
    assert (memset.kind, memset.arrays) == ("memset", (((2, 3), 24),))


SHARE = """
__shared__ REAL shared[64];
shared[threadIdx.x] = y[i];
{barrier}
y[i] = shared[(threadIdx.x + {step}) % 64];
"""


@pytest.mark.parametrize("backwards", [False, True])
def test_threads_of_a_block_wait_for_each_other(fake_cupy, monkeypatch, backwards):
    monkeypatch.setattr(emulator, "backwards", backwards)
    values = np.arange(64, dtype=np.float32)
    y = fake_cupy.asarray(values)
    launch(fake_cupy, SHARE.format(barrier="__syncthreads();", step=5), 64, y)
    np.testing.assert_array_equal(y.get(), np.roll(values, -5))


def test_a_barrier_that_is_missing_is_found(fake_cupy):
    y = fake_cupy.asarray(np.arange(64, dtype=np.float32))
    launch(fake_cupy, SHARE.format(barrier="if (count > 64) __syncthreads();", step=5), 64, y)
    assert np.isnan(y.get()).any()  # shared memory has no values when a block begins


def test_a_barrier_that_some_threads_do_not_reach_is_found(fake_cupy):
    y = fake_cupy.zeros(64, np.float32)
    with pytest.raises(AssertionError, match="ended while others waited"):
        launch(fake_cupy, SHARE.format(barrier="if (i > 2) __syncthreads();", step=1), 64, y)
