"""A rank of one with NCCL in its captured iteration gives the bytes of a process without. On the device and off it."""

import contextlib
from types import SimpleNamespace

import numpy as np
import pytest

from tests.gpu.test_captured import gpu_options  # noqa: F401 (a fixture)
from tests.training.conftest import tiny_data, tiny_options  # noqa: F401 (fixtures)
from tinygan.errors import TinyganError
from tinygan.models.norms import NORMS
from tinygan.runtime import nccl
from tinygan.runtime.collectives import joined
from tinygan.training import session
from tinygan.training.iteration import CapturedIteration
from tinygan.training.losslog import LossLog

ITERATIONS = 6


@pytest.fixture
def library(xp):
    """CuPy's NCCL, or its stand-in."""
    try:
        return nccl.load_library()
    except (ImportError, TinyganError) as error:
        pytest.skip(str(error))


def refuse(obstacle):
    raise AssertionError(obstacle)


def train(started):
    """Iterations of a session; what the players hold, the losses, and the iteration."""
    losses = LossLog(ITERATIONS, np.zeros((0, 3)), started.backend)
    iteration = CapturedIteration(started, losses, refuse)
    for number in range(1, ITERATIONS + 1):
        iteration(number, 1e-3)
    stores = [store for player in started.game[:2] for store in player.stores().values()]
    return [losses.pending(ITERATIONS), *(store.flat.get() for store in stores)], iteration


@pytest.mark.parametrize("schedule", ["alternating", "shared"])
@pytest.mark.parametrize("norm", NORMS)
def test_one_rank_of_nccl_gives_the_bytes_of_a_process_without(gpu_options, xp, library, norm, schedule):  # noqa: F811
    options = gpu_options(norm=norm, schedule=schedule)
    alone, plain = train(session.start(options, ["test"]))
    started = session.start(options, ["test"])
    engine = nccl.Collective(xp, SimpleNamespace(size=1, rank=0), library.get_unique_id())
    with contextlib.ExitStack() as at_the_end:  # whatever fails: NCCL waits for graphs that hold its calls
        at_the_end.callback(engine.close)
        at_the_end.callback(plain.close)
        with joined(engine):
            with_nccl, iteration = train(started)
        at_the_end.callback(iteration.close)
        assert iteration.replay.captured
        if hasattr(xp, "stand_in"):
            called = [node.name for node in iteration.replay.graph.nodes if node.kind == "nccl"]
            assert called == ["reduceScatter", "allGather"] * 2
        for one, other in zip(alone, with_nccl, strict=True):
            np.testing.assert_array_equal(one, other)
