"""Where the time goes: every layer is seen, and the looks fall where the time is spent."""

import json
import re
import time
from pathlib import Path

import pytest

from benchmarks import pairing, profile, sampling
from benchmarks.contender import Worker
from tinygan.errors import TinyganError


def test_every_layer_and_direction_has_its_row(tiny):
    worker = Worker("tinygan", tiny())
    worker.answer("start", 0)
    networks = [player.network for player in worker.contender.game[:2]]
    kinds = [type(layer) for network in networks for layer in network.children.values()]
    rows = worker.answer("layers", 3)
    calls = {(row["network"], row["layer"], row["what"]): row["calls"] for row in rows}
    assert {(which, layer) for which, layer, _ in calls if which and layer != "all"} == {
        (which, layer) for which, network in zip("GD", networks, strict=True) for layer in network.children
    }
    assert calls["G", "linear", "forward"] == calls["G", "linear", "weight gradient"] == 1
    assert calls["D", "down0", "forward"] == calls["D", "down0", "both gradients"] == 1  # generated and real as one
    assert calls["G", "all", "update"] == calls["D", "all", "update"] == 1
    assert all(row["ms"] >= 0 for row in rows)
    # Afterwards nothing is watched any more.
    assert [type(layer) for network in networks for layer in network.children.values()] == kinds
    assert "update" not in vars(worker.contender.game.generator)


def test_the_step_that_is_watched_is_the_usual_one(tiny):
    """Real and generated images go through D as one batch where they do without the profile, batch norm's too."""
    worker = Worker("tinygan", tiny(norm="bn", schedule="alternating"))
    worker.answer("start", 0)
    calls = {(row["network"], row["layer"], row["what"]): row["calls"] for row in worker.answer("layers", 3)}
    assert calls["D", "down0", "forward"] == 2  # in D's turn, and in G's


def some_work(elsewhere):
    time.sleep(0.15)
    elsewhere(0.3)


def test_lines_get_the_share_of_their_time():
    """A line also has the time of what it calls outside the folder."""
    names = {"sleep": time.sleep}
    exec(compile("def elsewhere(seconds):\n    sleep(seconds)", "/elsewhere.py", "exec"), names)
    rows = sampling.measure(lambda: some_work(names["elsewhere"]), Path(__file__).parent)
    shares = {row["source"]: row["share"] for row in rows}
    assert shares["time.sleep(0.15)"] == pytest.approx(1 / 3, abs=0.1)
    assert shares["elsewhere(0.3)"] == pytest.approx(2 / 3, abs=0.1)
    assert all(row["file"] == "test_profile.py" for row in rows)


def test_nothing_is_captured_where_every_launch_waits(tiny, monkeypatch):
    """CUDA does not say that a capture works under CUDA_LAUNCH_BLOCKING."""
    asked = []

    class Asked:
        def __init__(self, name, work, environment=None):
            self.blocking = "CUDA_LAUNCH_BLOCKING" in (environment or {})

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def ask(self, request, argument=0):
            asked.append((self.blocking, request))
            return 1.0

    monkeypatch.setattr(pairing, "WARM_UP_SECONDS", 0.0)
    monkeypatch.setattr(profile, "Contender", Asked)
    profile.measured(tiny(), 1)
    blocking = [request for blocks, request in asked if blocks]
    assert blocking.index("eagerly") < blocking.index("run") < blocking.index("lines")


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pairing, "WARM_UP_SECONDS", 0.0)
    out = tmp_path / "new folder" / "profile.json"
    profile.main(["--size", "16", "--batch", "2", "--features", "4", "--steps", "20", "--out", str(out)])
    result = json.loads(out.read_text())
    assert sum(row["share"] for row in result["lines"]) == pytest.approx(1)
    assert {"workload", "machine", "commit", "versions", "command", "ms", "layers", "lines"} <= set(result)
    assert "down0 forward" in capsys.readouterr().out


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_measured(tmp_path):
    (tmp_path / "file").touch()
    for out in (tmp_path, tmp_path / "file" / "profile.json"):
        with pytest.raises(TinyganError, match=rf"^--out {re.escape(str(out))}"):
            profile.main(["--out", str(out)])
