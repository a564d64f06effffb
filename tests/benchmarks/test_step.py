"""The benchmark itself: contenders in processes of their own, statuses, the JSON file, the table."""

import json
import shlex

import pytest

from benchmarks import pairing, peers, step
from benchmarks.contender import Contender, ContenderError
from benchmarks.report import table
from tinygan.errors import UsageError

SIZES = ["--size", "8", "--batch", "2", "--features", "4", "--code-size", "3"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(pairing, "WARM_UP_SECONDS", 0.0)
    monkeypatch.setattr(pairing, "TURN_SECONDS", 0.001)
    monkeypatch.setattr(pairing, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(step, "rates", lambda _: {"device": "a machine", "flops": 1e11, "bytes": 1e10})


class Stand:
    """In a contender's place: tinygan's own worker in this process, with an answer of its own where one is given."""

    def __init__(self, worker, answers=None):
        self.worker, self.answers, self.asked = worker, answers or {}, []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def ask(self, request, argument=0):
        self.asked.append(request)
        answer = self.worker.answer(request, argument)
        return self.answers.get(request, lambda honest: honest)(answer)

    def processor_seconds(self):
        return None


@pytest.fixture
def against(tiny, monkeypatch):
    """A function to the entry of a peer that answers as told, and to what it was asked."""
    from benchmarks.contender import Worker

    def measure(answers):
        work = tiny(precision="float32")
        ours, theirs = Stand(Worker("tinygan", work)), Stand(Worker("tinygan", work), answers)
        monkeypatch.setattr(step, "Contender", lambda name, workload: theirs)
        ours.ask("start")
        return step.against(ours, ours.ask("observe"), "torch", work, pairs=2), theirs.asked

    return measure


def test_a_peer_that_agrees_is_timed(against):
    entry, asked = against({})
    assert entry["status"] == "timed"
    assert len(entry["ratios"]) == 2
    assert "memory" in asked


def test_a_peer_that_does_not_agree_is_not_timed(against):
    def wrong(seen):
        seen[0]["D.down1.w"] = 1.1 * seen[0]["D.down1.w"]
        return seen

    entry, asked = against({"observe": wrong})
    assert entry["status"] == "disagrees"
    assert "D.down1.w is off by 0.1" in entry["why"]
    assert "run" not in asked


def test_a_peer_that_is_not_installed_is_named(tiny, tmp_path, monkeypatch, capsys):
    """All the way, in real processes: the JSON is complete and the missing peer has one line."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "jax.py").write_text("raise ModuleNotFoundError(\"No module named 'jax'\")")
    out = tmp_path / "new" / "result.json"
    step.main([*SIZES, "--peers", "jax", "--pairs", "2", "--out", str(out)])
    result = json.loads(out.read_text())
    assert result["peers"] == [
        {"name": "jax", "status": "unavailable", "why": "ModuleNotFoundError: No module named 'jax'"}
    ]
    assert set(result) == {
        *("workload", "machine", "commit", "least_work", "tinygan", "peers", "command", "started"),
    }
    assert result["command"].endswith(f"--pairs 2 --out {shlex.quote(str(out))}")
    assert result["tinygan"]["versions"].keys() == {"tinygan", "numpy"}
    assert result["tinygan"]["peak_memory"] > 0
    assert {"processor", "cores", "python", "device", "flops", "bytes"} <= set(result["machine"])
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("jax"))
    assert line.split(maxsplit=1)[1] == "unavailable: ModuleNotFoundError: No module named 'jax'"


def test_against_pytorch_in_real_processes(tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    out = tmp_path / "result.json"
    step.main([*SIZES, "--peers", "torch", "--pairs", "3", "--out", str(out)])
    (peer,) = json.loads(out.read_text())["peers"]
    assert peer["status"] == "timed"
    assert peer["peak_memory"] > 0
    assert len(peer["seconds"]["peer"]) == len(peer["seconds"]["tinygan"]) == len(peer["ratios"]) == 3
    for ours, theirs, ratio in zip(peer["seconds"]["tinygan"], peer["seconds"]["peer"], peer["ratios"], strict=True):
        assert ratio == ours / theirs
    assert {"losses", "later losses", "G.linear.w", "D.last.bias"} < set(peer["parity"])
    assert all(one["error"] <= one["tolerance"] for one in peer["parity"].values())


def test_a_process_that_dies_is_a_failure_with_a_reason(tiny):
    with Contender("tinygan", tiny()) as contender:
        contender.ask("start")
        assert contender.processor_seconds() > 0
        contender.process.kill()
        with pytest.raises(ContenderError, match="ended with code -9"):
            contender.ask("run", 1)


def test_an_unknown_peer_is_a_usage_error():
    with pytest.raises(UsageError, match="unknown peer 'tensorflow'"):
        step.main(["--peers", "torch,tensorflow"])


def test_shares_of_the_limit_are_those_of_the_table():
    of = {"median": 0.5, "min": 0.4, "max": 0.6}
    peer = {
        "name": "torch",
        "status": "timed",
        "summary": {"tinygan": of, "peer": {**of, "median": 1.0}, "ratio": of},
        "peak_memory": 3 * 2**20,
        "idle_processor_share": 0.5,
    }
    result = {
        "workload": {"device": "cpu"},
        "machine": {"device": "a machine", "flops": 1e9, "bytes": 1e9},
        "least_work": {"operations": 2e8, "bytes": 1e8},
        "tinygan": {"peak_memory": 2**20},
        "peers": [peer],
    }
    ours, theirs, warning = table(result).splitlines()[-3:]
    assert ours.split() == ["tinygan", "500", "400", "600", "1", "40%", "20%"]
    assert theirs.split() == ["torch", "1000", "400", "600", "3", "20%", "10%", "0.500", "(0.400", "to", "0.600)"]
    assert "50%" in warning


def test_every_peer_has_a_module():
    assert set(step.DEFAULT_PEERS.split(",")) == set(peers.PEERS)


def test_what_is_measured_is_kept_before_the_next_peer_begins(tmp_path, monkeypatch):
    out, kept = tmp_path / "result.json", []

    def against(ours, reference, name, work, pairs):
        kept.append(json.loads(out.read_text()) if out.exists() else None)
        return {"name": name, "status": "failed", "why": "it hung"}

    monkeypatch.setattr(step, "against", against)
    step.main([*SIZES, "--peers", "torch,jax", "--pairs", "1", "--out", str(out)])
    assert kept[0] is None
    assert [one["name"] for one in kept[1]["peers"]] == ["torch"]
    assert "hung" in table(kept[1])
    assert [one["name"] for one in json.loads(out.read_text())["peers"]] == ["torch", "jax"]
