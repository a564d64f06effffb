"""The engine of GPUs: what each rank has after a call, whatever the lengths; what its stand-in would not let pass."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tests import liverun
from tinygan.errors import TinyganError, UsageError
from tinygan.runtime import collectives, nccl
from tinygan.runtime.collectives import split_vector

# A rank without MPI: argv has its number, how many there are, and NCCL's id.
RANK = """
import sys
from types import SimpleNamespace
import numpy as np
import pytest
from tests import fakecupy
from tinygan.runtime import collectives, nccl
rank, size, unique_id = int(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3])
xp = fakecupy.install(pytest.MonkeyPatch())
def gather(values):
    return engine.all_gather(xp.asarray(values)).get()
host = SimpleNamespace(size=size, rank=rank, all_gather=gather)
xp.cuda.Stream(non_blocking=True).__enter__()
engine = nccl.Collective(xp, host, unique_id)
def values(seed, count, dtype=np.float64):
    return np.random.default_rng(seed).standard_normal(count).astype(dtype)
"""

WORK = """
for count in (size, 2 * size + 1, 64 * size, 1000, 1001):
    for dtype in (np.float32, np.float64):
        vector = xp.asarray(values(rank, count, dtype))
        own = collectives.split_vector(count, size)[rank]
        expected = sum(values(k, count, dtype) for k in range(size))
        (part,) = engine.own_parts([vector])
        np.testing.assert_allclose(part.get(), expected[own], atol=1e-6 if dtype == np.float32 else 1e-14)
        assert part.data.ptr == vector[own].data.ptr
        rest = np.delete(vector.get(), np.arange(count)[own])
        assert not rest.any()
        whole = xp.zeros(count, dtype)
        whole[own] = xp.asarray(values(9, count, dtype)[own])
        engine.share_parts(whole)
        np.testing.assert_array_equal(whole.get(), values(9, count, dtype))
with collectives.joined(engine):
    images = [values(k, (2 + k) * 3).reshape(2 + k, 3) for k in range(size)]
    together, own = np.concatenate(images), images[rank]
    mean, var, M = collectives.moments(xp.asarray(own.mean(axis=0)), xp.asarray(own.var(axis=0)), len(own))
    assert M == len(together)
    np.testing.assert_allclose(mean.get(), together.mean(axis=0), atol=1e-14)
    np.testing.assert_allclose(var.get(), together.var(axis=0), atol=1e-14)
    sums = collectives.all_reduce(xp.asarray(own.sum(axis=0)), xp.asarray(np.array([1.0, 2.0, rank])))
    np.testing.assert_allclose(sums[0].get(), together.sum(axis=0), atol=1e-14)
    np.testing.assert_allclose(sums[1].get(), [size, 2 * size, sum(range(size))])
engine.close()
"""


def ranks(size, code, unique_id):
    """Run ``code`` in so many processes; what each wrote to standard error."""
    command = [sys.executable, "-c", RANK + code]
    processes = [
        liverun.begin([*command, rank, size, unique_id.hex()], {}, stderr=subprocess.PIPE) for rank in range(size)
    ]
    return [process.communicate(timeout=100)[1] for process in processes]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_each_rank_has_its_part_and_then_all(fake_cupy, size):
    errors = ranks(size, WORK, fake_cupy.cuda.nccl.get_unique_id())
    assert errors == [""] * size


WRONG = {
    "the stream is not": "engine._how = lambda array: (8, 12345)\nengine.share_parts(vector)",
    "more than the array has": "engine._communicator.reduceScatter(vector.data.ptr, out.data.ptr, 99, *how)",
    "overlap elsewhere": "engine._communicator.allGather(vector.data.ptr + 32, vector.data.ptr, 3, how[0], how[2])",
    "makes": "engine.all_gather(vector[: 4 + rank])",
    "was destroyed": "engine.close(); engine.share_parts(vector)",
}


@pytest.mark.parametrize("message", WRONG)
def test_the_stand_in_sees_what_nccl_would_hang_or_crash_on(fake_cupy, message):
    setup = "vector = xp.asarray(values(0, 8))\nhow = 8, 0, xp.cuda.get_current_stream().ptr\nout = xp.empty(8)\n"
    errors = ranks(2, setup + WRONG[message], fake_cupy.cuda.nccl.get_unique_id())
    assert all(message in error for error in errors), errors


def test_a_communicator_outlives_the_graphs_that_use_it(fake_cupy):
    xp = fake_cupy
    engine = nccl.Collective(xp, SimpleNamespace(size=1, rank=0), nccl.load_library().get_unique_id())
    with xp.cuda.Stream(non_blocking=True) as stream:
        vector = xp.ones(5)
        stream.begin_capture()
        engine.share_parts(vector)
        graph = stream.end_capture()
        graph.launch()
        stream.synchronize()
    with pytest.raises(AssertionError, match="while a graph holds its calls"):
        engine.close()
    del graph
    engine.close()


def test_parts_are_of_one_length_but_the_last():
    for count, parts in ((0, 1), (5, 5), (7, 3), (64, 2), (1000, 3), (2**20 + 1, 1024)):
        found = split_vector(count, parts)
        assert [part.start for part in found[1:]] == [part.stop for part in found[:-1]]
        assert (found[0].start, found[-1].stop) == (0, count)
        sizes = [part.stop - part.start for part in found]
        assert len(set(sizes[:-1])) <= 1
        assert sizes[-1] >= sizes[0]


def test_alone_nothing_is_exchanged():
    mean, var = np.ones(2), np.zeros(2)
    assert collectives.moments(mean, var, 3) == (mean, var, 3)
    assert collectives.all_reduce(mean) == (mean,)


def test_every_rank_has_a_gpu_of_its_own():
    nccl.refuse_shared_gpus(["one 0000:01:00.0", "one 0000:02:00.0", "two 0000:01:00.0"])
    with pytest.raises(UsageError, match=r"^ranks 1 and 2 would share a GPU of one: start at most as many ranks"):
        nccl.refuse_shared_gpus(["two 0000:02:00.0", "one 0000:02:00.0", "one 0000:02:00.0"])


def test_a_missing_library_is_one_line(fake_cupy, monkeypatch):
    monkeypatch.setattr(fake_cupy.cuda.nccl, "available", False, raising=False)
    with pytest.raises(TinyganError, match="several GPUs need NCCL: pip install nvidia-nccl-cu13"):
        nccl.load_library()


def test_ranks_that_nccl_cannot_connect_are_one_line(fake_cupy, monkeypatch):
    library = fake_cupy.cuda.nccl

    def refuse(*_):
        raise library.NcclError("NCCL_ERROR_SYSTEM_ERROR: unhandled system error")

    monkeypatch.setattr(library, "NcclCommunicator", refuse)
    with pytest.raises(TinyganError, match=r"NCCL does not connect the GPUs \(NCCL_ERROR_SYSTEM_ERROR.*NCCL_DEBUG"):
        nccl.Collective(fake_cupy, SimpleNamespace(size=1, rank=0), library.get_unique_id())
