"""What is measured on a device runs on the stand-in, and its bill has as many operations as its graph."""

import json

import pytest

from benchmarks import command, gpu_measure
from benchmarks.gpu_model import ASSUMPTIONS
from tinygan.device import open_backend
from tinygan.errors import TinyganError
from tinygan.runtime.graph import WARM_UPS


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    for name in ("WARM", "TURN"):
        monkeypatch.setattr(gpu_measure, name, 0.0)


@pytest.fixture
def steps(tiny):
    """Small steps of all norms and both schedules."""
    tiny_gpu = {"device": "gpu", "precision": "float32", "size": 8, "batch": 2, "features": 4}
    kinds = [("none", "shared"), ("bn", "shared"), ("wn", "shared"), ("wn", "alternating")]
    return {f"{norm} {how}": tiny(**tiny_gpu, norm=norm, schedule=how) for norm, how in kinds}


def test_the_bill_has_the_nodes_of_the_graph(fake_cupy, steps):
    on_device = gpu_measure.nodes(steps)
    by_model = gpu_measure.bill(steps, {"floor": 1.0})
    for name in steps:
        assert on_device[name]["nodes"] == by_model[name]["nodes"] > 20
        assert on_device[name]["ms"] > 0
        assert by_model[name]["ms with measured constants"] == pytest.approx(
            by_model[name]["ms"] + (1 - 2e-6) * 1e3 * by_model[name]["nodes"]
        )


def test_the_constants_are_what_the_model_says(fake_cupy, monkeypatch):
    """Where the device takes exactly the model's times, its constants come out."""
    for name, value in (("IN_L2", 10_000), ("IN_MEMORY", 20_000)):
        monkeypatch.setattr(gpu_measure, name, value)
    latency, ahead = 3e-7, gpu_measure.AHEAD
    block = 1e-6 + gpu_measure.ROWS / ahead * (latency + ahead * gpu_measure.ADDITION)
    l2 = gpu_measure.L2_ROUNDS * (1e-6 + 80_000 / 5e12)
    times = iter([200 * 1e-6, block, l2, 1e-6 + 160_000 / 3e12])
    really = gpu_measure._seconds
    launched = []

    def pretended(backend, work):
        launched.append(really(backend, work) > 0)
        return next(times)

    monkeypatch.setattr(gpu_measure, "_seconds", pretended)
    expected = {"floor": 1e-6, "l2_latency": latency, "l2_bandwidth": 5e12, "memory_bandwidth": 3e12}
    assert gpu_measure.constants() == pytest.approx(expected)
    assert launched == [True] * 4
    assert expected.keys() <= {field.name for field in ASSUMPTIONS}


def test_what_is_timed_is_the_graph(fake_cupy, monkeypatch):
    launches = []
    close = gpu_measure.Replay.close
    monkeypatch.setattr(gpu_measure.Replay, "close", lambda self: launches.append(self.graph.launches) or close(self))
    x = fake_cupy.zeros(3)
    gpu_measure._seconds(open_backend("gpu"), lambda: x.__iadd__(1))
    assert launches == [3 + gpu_measure.TURNS]
    assert float(x[0]) == WARM_UPS + 3 + gpu_measure.TURNS


def test_the_device_and_its_versions(fake_cupy):
    found = gpu_measure.device()
    assert found["description"].startswith("pretended GPU")
    assert found["CUDA"] == {"driver": 13000, "runtime": 13020}
    assert "numpy" in found["packages"]


def test_the_command(tmp_path, monkeypatch, tiny, capsys):
    out = tmp_path / "bill.json"
    monkeypatch.setattr(gpu_measure, "workloads", lambda: {"tiny": tiny(device="gpu", precision="tf32")})
    (tmp_path / "constants.json").write_text('{"floor": 1.0}')
    gpu_measure.main(["bill", "--out", str(out)])
    assert json.loads(out.read_text()) == json.loads(capsys.readouterr().out)
    assert json.loads(out.read_text())["tiny"]["ms with measured constants"] > 1e3
    monkeypatch.setattr(command, "why_no_gpu", lambda: "no driver")
    with pytest.raises(TinyganError, match="constants cannot be measured here: no driver"):
        gpu_measure.main(["constants", "--out", str(out)])
