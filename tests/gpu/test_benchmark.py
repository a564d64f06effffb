"""The benchmark's own side on the GPU: what is compared is eager, what is timed is captured, and both are the same."""

import numpy as np
import pytest

from benchmarks.peers.own import Tinygan
from benchmarks.workload import Workload
from tinygan.runtime import graph


@pytest.mark.parametrize("schedule", ["shared", "alternating"])
def test_the_timed_step_is_captured_and_computes_the_same(xp, schedule):
    workload = Workload("gpu", 20, "wn", 4, schedule, 8, 8, "float32")
    captured, eager = (Tinygan(workload, workload.inputs()) for _ in "ab")
    eager.run_eagerly()
    for _ in range(graph.WARM_UPS + 3):
        captured.step()
        eager.step()
    assert captured.replay.graph is not None
    for ours, theirs in zip(captured.game[:2], eager.game[:2], strict=True):
        np.testing.assert_array_equal(ours.parameters.flat.get(), theirs.parameters.flat.get())
    assert [float(loss) for loss in captured.losses] == [float(loss) for loss in eager.losses]
    before = captured.game.generator.parameters.flat.get()
    captured.set_rate(0.0)
    captured.step()
    np.testing.assert_array_equal(captured.game.generator.parameters.flat.get(), before)  # the captured step sees it
    captured.watch(True)
    captured.step()
    assert captured.observed()["G.linear.w"].any()
