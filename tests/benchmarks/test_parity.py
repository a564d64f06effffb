"""A peer that does other work is found out, by the name of what differs."""

import numpy as np
import pytest

from benchmarks.contender import Worker
from benchmarks.parity import disagreement, worst
from tinygan.training.step import SCHEDULES


@pytest.fixture
def seen(tiny):
    """What tinygan's first steps show."""
    worker = Worker("tinygan", tiny(norm="bn"))
    worker.answer("start", 0)
    return worker.answer("observe", 0)


def copy(seen):
    return [{name: array.copy() for name, array in one.items()} for one in seen]


def test_it_agrees_with_itself(seen):
    assert set(disagreement(seen, copy(seen)).values()) == {0.0}
    assert {"losses", "G.linear.w", "D.last.b"} < set(seen[0])


@pytest.mark.parametrize("name", ["losses", "G.up0.b", "D.down0.w"])
def test_a_planted_difference_is_named(seen, name):
    other = copy(seen)
    other[0][name].flat[0] += 3e-9 * np.abs(other[0][name]).max() * other[0][name].size ** 0.5
    assert worst(disagreement(seen, other), "float64")[0] == name


def test_an_update_that_differs_shows_in_the_later_losses(seen):
    other = copy(seen)
    other[-1]["losses"] *= 1.01
    assert worst(disagreement(seen, other), "float32")[0] == "later losses"


def test_a_missing_gradient_a_wrong_shape_and_nan_are_no_agreement(seen):
    missing, reshaped, nan = copy(seen), copy(seen), copy(seen)
    del missing[0]["G.linear.w"]
    reshaped[0]["G.linear.w"] = reshaped[0]["G.linear.w"].T
    nan[0]["G.linear.w"][0, 0] = np.nan
    for other in (missing, reshaped, nan):
        assert worst(disagreement(seen, other), "tf32") == ("G.linear.w", float("inf"))


def test_a_bias_in_front_of_batch_norm_is_measured_by_its_weight(seen):
    other = copy(seen)
    other[0]["D.down1.b"] += 1e-12 * np.abs(other[0]["D.down1.w"]).max()  # far more than the bias's own gradient, 0
    assert worst(disagreement(seen, other), "float64") is None
    other[0]["D.down1.b"] += np.abs(other[0]["D.down1.w"]).max()
    assert worst(disagreement(seen, other), "float64")[0] == "D.down1.b"


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_gradients_are_compared_before_the_first_update(tiny, schedule, monkeypatch):
    """RMSProp's first step is the sign of each gradient: alternating's G would see what rounding made of D's."""
    worker = Worker("tinygan", tiny(schedule=schedule))
    worker.answer("start", 0)
    players, observed, seen = worker.contender.game[:2], worker.contender.observed, []

    def watching():
        seen.append([player.parameters.flat.copy() for player in players])
        return observed()

    monkeypatch.setattr(worker.contender, "observed", watching)
    before = [player.parameters.flat.copy() for player in players]
    losses = [one["losses"] for one in worker.answer("observe", 0)]
    for initial, after, later in zip(before, *seen[:2], strict=True):
        np.testing.assert_array_equal(after, initial)
        assert (later != initial).mean() > 0.9  # the updates are compared by the losses that follow
    assert (np.diff(losses[1:], axis=0) != 0).all()
