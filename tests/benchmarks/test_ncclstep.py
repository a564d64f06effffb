"""The step of a rank of one is measured with NCCL's calls in its graph."""

import pytest

from benchmarks import ncclstep, pairing
from benchmarks.workload import Workload
from tests.gpu import emulator


@pytest.mark.skipif(emulator.why_no_compiler() is not None, reason=str(emulator.why_no_compiler()))
def test_four_calls_and_no_graph_behind(fake_cupy, monkeypatch):
    monkeypatch.setattr(pairing, "WARM_UP_SECONDS", 0)
    monkeypatch.setattr(pairing, "TURN_SECONDS", 0)
    found = ncclstep.one_rank(Workload("gpu", 16, "wn", 4, "shared", 5, 4, "float32"), pairs=1)
    assert found["nodes"]["nccl"] == found["nodes"]["without"] + 4
    assert len(found["ratios"]) == 1
    (communicator,) = fake_cupy.cuda.nccl.communicators
    assert not communicator.alive
