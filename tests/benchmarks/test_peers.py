"""The peers do tinygan's work: losses, all gradients, and the losses of the steps after."""

import importlib.util

import pytest

from benchmarks.contender import Worker
from benchmarks.parity import disagreement, worst
from tinygan.models.norms import NORMS
from tinygan.training.step import SCHEDULES


def seen(name, workload):
    worker = Worker(name, workload)
    worker.answer("start", 0)
    return worker.answer("observe", 0)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(
    ("peer", "library", "precision"),
    [
        ("torch", "torch", "float64"),
        ("torch-channels-last", "torch", "float32"),  # on the CPU PyTorch has no float64 convolution of that layout
        ("jax", "jax", "float64"),
    ],
)
def test_same_losses_and_gradients(tiny, peer, library, precision, norm, schedule):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    workload = tiny(norm=norm, schedule=schedule, precision=precision)
    assert worst(disagreement(seen("tinygan", workload), seen(peer, workload)), precision) is None


@pytest.mark.parametrize("norm", NORMS)
def test_residual_networks_too(tiny, norm):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    workload = tiny(norm=norm, model="resnet", size=18)
    assert worst(disagreement(seen("tinygan", workload), seen("torch", workload)), "float64") is None


@pytest.mark.parametrize(("peer", "precision"), [("torch-graph", "float32"), ("torch-channels-last", "float64")])
def test_what_pytorch_cannot_do_here_is_said(tiny, peer, precision):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from benchmarks.peers import Unavailable

    with pytest.raises(Unavailable):
        Worker(peer, tiny(precision=precision)).answer("start", 0)
