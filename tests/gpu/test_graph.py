"""Capture and replay, what is refused during a capture, and the inputs of replays."""

import contextlib

import numpy as np
import pytest

from tinygan.ops.cuda.matmul import gemm
from tinygan.ops.cuda.sums import channel_sum
from tinygan.runtime import graph
from tinygan.runtime.graph import Replay
from tinygan.runtime.graph_inputs import SLOTS, Inputs


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
        scaled = gemm(x * factor, xp.eye(3, dtype=np.float32))
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
