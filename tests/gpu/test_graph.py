"""Capture and replay, what is refused during a capture, and the inputs of replays."""

import contextlib

import numpy as np
import pytest

from tinygan.errors import TinyganError
from tinygan.ops.cuda.matmul import matmul
from tinygan.ops.cuda.sums import channel_sum
from tinygan.runtime import graph
from tinygan.runtime.graph import SLOTS, Inputs, Replay


@pytest.fixture
def stream(xp):
    """A stream that can be captured, made the current one."""
    with xp.cuda.Stream(non_blocking=True) as made:
        yield made
        made.synchronize()


def test_every_call_counts_once(xp, stream):
    """Eager, captured or replayed: the work is done once per call, with the inputs of that call."""
    x, factor, total = xp.ones((40, 3), np.float32), xp.ones((), np.float32), xp.zeros(3, np.float32)

    def work():
        scaled = matmul(x * factor, xp.eye(3, dtype=np.float32))
        total.__iadd__(channel_sum(scaled))

    complaints = []
    replay = Replay(xp, work, complaints.append)
    expected = 0
    for call in range(1, graph.WARM_UPS + 5):
        factor.fill(call)
        replay()
        expected += 40 * call
        np.testing.assert_array_equal(total.get(), np.full(3, expected))  # waits: eager work between replays
        xp.zeros(100_000, np.float32).fill(np.nan)  # somebody else's memory: not the graph's
        assert (replay.graph is not None) == (call > graph.WARM_UPS)
    assert not complaints


REFUSED = {
    "get": lambda xp, x: x.get(),
    "float": lambda xp, x: float(x[0, 0]),
    "bool": lambda xp, x: bool(x[0, 0] > 0),
    "asarray": lambda xp, x: xp.asarray(np.ones(3, np.float32)),
    "set": lambda xp, x: x.set(np.ones((4, 4), np.float32)),
    "matmul": lambda xp, x: x @ x,
    "dot": lambda xp, x: xp.dot(x, x),
    "tensordot": lambda xp, x: xp.tensordot(x, x, axes=1),  # to one value it would be no product of cuBLAS's
    "synchronize": lambda xp, x: xp.cuda.get_current_stream().synchronize(),
}


@pytest.mark.parametrize("operation", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_captured_is_told_once_and_runs_eagerly(xp, stream, operation):
    x, total = xp.ones((4, 4), np.float32), xp.zeros((), np.float32)

    def work():
        total.__iadd__(1)
        operation(xp, x)

    complaints = []
    replay = Replay(xp, work, complaints.append)
    for _ in range(graph.WARM_UPS + 3):
        replay()
    assert float(total) == graph.WARM_UPS + 3
    (complaint,) = complaints
    assert "cannot be captured as a CUDA graph (" in complaint
    assert "\n" not in complaint
    assert not stream.is_capturing()


def test_the_default_stream_cannot_be_captured(xp):
    total = xp.zeros(())
    complaints = []
    with contextlib.suppress(AttributeError):  # whatever an earlier test made current
        xp.cuda.Stream.null.use()
    replay = Replay(xp, lambda: total.__iadd__(1), complaints.append)
    for _ in range(graph.WARM_UPS + 2):
        replay()
    assert float(total) == graph.WARM_UPS + 2
    assert len(complaints) == 1


def test_an_error_of_the_work_itself_is_not_swallowed(xp, stream):
    def work():
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        Replay(xp, work, print)()


def test_ctrl_c_during_the_capture_leaves_the_stream_as_it_was(xp, stream):
    def work():
        if stream.is_capturing():
            raise KeyboardInterrupt

    replay = Replay(xp, work, print)
    for _ in range(graph.WARM_UPS):
        replay()
    with pytest.raises(KeyboardInterrupt):
        replay()
    assert not stream.is_capturing()
    replay.close()


def test_inputs_keep_their_addresses_and_their_order(xp, stream):
    shapes = {"codes": ((2, 3), np.float32), "row": ((), np.int64), "bytes": ((5,), np.uint8), "rate": ((), np.float64)}
    inputs = Inputs(xp, shapes)
    addresses = {name: array.data.ptr for name, array in inputs.arrays.items()}
    assert all(address % 8 == 0 for address in addresses.values())
    kept = []
    rounds = 3 * SLOTS
    for i in range(rounds):  # sent without waiting, each copied before the next arrives
        codes, sent = np.full((2, 3), i / 4), np.full(5, i, np.uint8)
        inputs.send(stream, codes=codes, row=i, bytes=sent, rate=1 / (i + 1))
        kept.append({name: array.copy() for name, array in inputs.arrays.items()})
    for i, arrays in enumerate(kept):
        for name, value in (
            ("codes", np.full((2, 3), i / 4)),
            ("row", i),
            ("bytes", np.full(5, i)),
            ("rate", 1 / (i + 1)),
        ):
            np.testing.assert_array_equal(arrays[name].get(), value, err_msg=name)
            assert (arrays[name].shape, arrays[name].dtype) == shapes[name]
    assert addresses == {name: array.data.ptr for name, array in inputs.arrays.items()}


def test_the_stand_in_watches_over_captured_memory(fake_cupy):
    with fake_cupy.cuda.Stream(non_blocking=True) as stream:
        x = fake_cupy.ones(3)
        stream.begin_capture()
        with pytest.raises(AssertionError, match="from the common memory pool"):
            x + 1
        with fake_cupy.cuda.using_allocator(fake_cupy.cuda.MemoryPool().malloc):
            y = x + 1
        x += 1
        captured = stream.end_capture()
        np.testing.assert_array_equal(x.get(), np.ones(3))  # recorded, not run
        assert np.isnan(y.get()).all()
        captured.launch()
        np.testing.assert_array_equal(y.get(), np.full(3, 2))
        np.testing.assert_array_equal(x.get(), np.full(3, 2))


def test_an_empty_graph_is_an_error(xp, stream):
    """Not a training that stands still."""
    replay = Replay(xp, lambda: None, print)
    for _ in range(graph.WARM_UPS):
        replay()
    with pytest.raises(TinyganError, match=r"the captured step is empty: its work went to another CUDA stream"):
        replay()


def test_another_current_stream_is_an_error(xp, stream):
    total = xp.zeros(())
    replay = Replay(xp, lambda: total.__iadd__(1), print)
    for _ in range(graph.WARM_UPS + 2):
        replay()
        with xp.cuda.Stream(non_blocking=True) as other, pytest.raises(TinyganError, match="another current CUDA stre"):
            replay()
    other.synchronize()
    assert float(total) == graph.WARM_UPS + 2


def captured(xp, floats=100_000):
    """A replay whose graph has memory of its own, and what it adds 2 to."""
    total = xp.zeros(floats, np.float32)
    replay = Replay(xp, lambda: total.__iadd__(xp.ones(floats, np.float32) + 1), print)
    for _ in range(graph.WARM_UPS + 1):
        replay()
    assert replay.graph is not None
    return replay, total


def test_a_pool_that_lost_its_blocks_is_an_error(xp, stream):
    replay, _ = captured(xp)
    replay.pool.free_all_blocks()
    with pytest.raises(TinyganError, match="the memory of the captured step was freed"):
        replay()


def test_a_closed_replay_gives_its_memory_back(xp, stream):
    xp.get_default_memory_pool().free_all_blocks()
    free = xp.cuda.runtime.memGetInfo()[0] - 2**24  # which the driver may keep for kernels and graphs
    replay, total = captured(xp, 10_000_000)
    replay.close()
    replay()  # eagerly
    replay.close()
    np.testing.assert_array_equal(total[:3].get(), np.full(3, 2 * (graph.WARM_UPS + 2)))
    del replay, total
    xp.get_default_memory_pool().free_all_blocks()
    assert xp.cuda.runtime.memGetInfo()[0] >= free


def test_the_graphs_memory_stays_when_the_device_is_full(fake_cupy):
    """Out of memory in the middle of a capture: the pool frees its blocks and tries again, which the graph survives."""
    xp, memory = fake_cupy, fake_cupy.stand_in.device.memory
    with xp.cuda.Stream(non_blocking=True):
        total, complaints, size = xp.zeros(1000), [], [1000]

        def work():
            part = xp.full(1000, 1.0)
            total.__iadd__(part + xp.zeros(1000))
            del part
            xp.empty(size[0])

        replay = Replay(xp, work, complaints.append)
        for _ in range(graph.WARM_UPS):
            replay()
        memory.limit, size[0] = memory.used, 2000
        for _ in range(3):
            replay()
        assert len(complaints) == 1
        assert "Out of memory" in complaints[0]
        memory.limit *= 2
        np.testing.assert_array_equal(total.get()[:2], np.full(2, graph.WARM_UPS + 3))


def test_room_is_made_for_the_graph(fake_cupy):
    """What the common pool keeps for itself would be missing."""
    xp, memory = fake_cupy, fake_cupy.stand_in.device.memory
    with xp.cuda.Stream(non_blocking=True):
        total = xp.zeros(20_000)
        xp.zeros(50_000)
        memory.limit = memory.used + 2**16
        Replay(xp, lambda: total.__iadd__(xp.ones(20_000)), print)()
