"""A B A B, and ratios pair by pair."""

import pytest

from benchmarks import pairing


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch):
    monkeypatch.setattr(pairing, "WARM_UP_SECONDS", 0.0)
    monkeypatch.setattr(pairing, "SETTLE_SECONDS", 0.0)


def test_ratios_are_taken_pair_by_pair_after_the_warm_up():
    turns = []

    def runner(name, times):
        remaining = iter(times)

        def run(steps):
            turns.append((name, steps))
            return next(remaining)

        return run

    # The machine is five times slower in the second pair: the ratio of medians, 1.5, is that of no pair.
    result = pairing.in_turn(runner("A", [0.1, 1.0, 20.0, 3.0]), runner("B", [0.05, 2.0, 10.0, 2.0]), pairs=3)
    assert result["ratios"] == [0.5, 2.0, 1.5]
    assert result["summary"]["ratio"] == {"median": 1.5, "min": 0.5, "max": 2.0}
    assert result["summary"]["tinygan"] == {"median": 3.0, "min": 1.0, "max": 20.0}
    assert result["seconds"] == {"tinygan": [1.0, 20.0, 3.0], "peer": [2.0, 10.0, 2.0]}
    assert [name for name, _ in turns] == ["A", "B"] + ["A", "B"] * 3
    assert turns[2:] == [("A", 3), ("B", 6)] * 3  # about 0.3 seconds each


def test_a_slow_step_is_run_once_a_turn():
    assert pairing.steps_per_turn(4.0) == 1
