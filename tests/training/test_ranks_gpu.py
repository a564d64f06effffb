"""Ranks with a GPU each, on the stand-in: the same training as one process, or one line that says why not."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests import mpiexec
from tests.gpu import emulator
from tests.training.test_ranks import CASES, TINY, finish, tensors
from tinygan.training import checkpoint
from tinygan.training.runfolder import find_checkpoint

reason = mpiexec.why_no_mpi() or emulator.why_no_compiler()
pytestmark = pytest.mark.skipif(reason is not None, reason=str(reason))

# A device for each rank that may be taken; the kernels that another process has compiled are compiled.
STAND_IN = """
from types import SimpleNamespace
import pytest
from tests import fakecupy
from tests.gpu import emulator
xp = fakecupy.install(pytest.MonkeyPatch(), devices={devices})
emulator._folder = SimpleNamespace(name={folder!r})
"""
# What each rank has captured, and on which device: a file for each beside the folder of runs, since MPI's launcher may
# break lines of several ranks into each other.
CAPTURED = """
from tinygan.training import ranks as ranks_module
end = ranks_module._end
def _end(group):
    if group.own.iteration:
        graph = group.own.iteration.replay.graph
        names = [node.name for node in graph.nodes if node.kind == "nccl"]
        with open(f"{sys.argv[-1]}-{group.rank}", "w") as file:
            print(xp.cuda.runtime.getDevice(), graph.launches, *names, file=file)
        del graph
    end(group)
_end.__module__ = ranks_module.__name__
ranks_module._end = _end
"""
TEN = ["--iterations", "10", "--log-every", "10", "--test-every", "10", "--sample-every", "10", "--save-every", "5"]
CASES = {
    name: [word if word != "cpu" else "gpu" for word in CASES[name]]
    for name in ("bn-alternating-dcgan", "bn-shared-resnet", "wn-shared-dcgan", "wn-affine-alternating-resnet")
}

QUICK = "bn-alternating-dcgan"


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    """A folder for what the stand-in compiles."""
    return str(tmp_path_factory.mktemp("kernels"))


def train(kernels, ranks, out, options, devices=None, extra=""):
    code = mpiexec.script("train", STAND_IN.format(devices=devices or ranks, folder=kernels) + TINY + CAPTURED + extra)
    process = mpiexec.start(ranks, code, *options, "--out", out)
    try:
        _, error = process.communicate(timeout=200)
    finally:
        if process.poll() is None:
            finish(process, 0)
    return process.returncode, error


def captured(out, ranks):
    """The words that each rank has left."""
    return [Path(f"{out}-{rank}").read_text().split() for rank in range(ranks)]


@pytest.mark.parametrize(
    "case", [QUICK, *(pytest.param(case, marks=pytest.mark.slow) for case in CASES if case != QUICK)]
)
def test_two_ranks_learn_what_one_process_does(tmp_path, kernels, case):
    """7 images do not divide evenly; without NCCL, and on the CPU, rounding alone makes a difference."""
    options = [*CASES[case], *TEN]
    assert train(kernels, 1, tmp_path / "alone", options)[0] == 0
    code, error = train(kernels, 2, tmp_path / "two", options)
    assert code == 0, error
    (device, *graph), (other_device, *other_graph) = captured(tmp_path / "two", 2)
    assert (device, other_device) == ("0", "1")
    assert graph == other_graph  # the same calls
    assert graph[0] == "8"  # launches, after two warm-ups
    assert graph.count("reduceScatter") == 2
    alone, two = tensors(tmp_path / "alone"), tensors(tmp_path / "two")
    for name, tensor in alone.items():
        np.testing.assert_allclose(two[name], tensor, rtol=0, atol=1e-10, err_msg=name)
    logs = [next((tmp_path / one).glob("*/log.jsonl")).read_text().splitlines() for one in ("alone", "two")]
    for one, other in zip(*(map(json.loads, log) for log in logs), strict=True):
        for key in {*one} - {"seconds", "images_per_second"}:
            assert other[key] == pytest.approx(one[key], rel=1e-9)
    assert train(kernels, 2, tmp_path / "again", options)[0] == 0
    again = tensors(tmp_path / "again")
    assert all(again[name].tobytes() == tensor.tobytes() for name, tensor in two.items())


def test_three_ranks_resume_what_one_process_of_the_cpu_began(tmp_path, kernels):
    """Streamed to the devices, since their memory is said to be full."""
    options = [word if word != "gpu" else "cpu" for word in [*CASES["wn-shared-dcgan"], *TEN]]
    options[options.index("--iterations") + 1] = "4"
    assert train(kernels, 1, tmp_path, options)[0] == 0
    extra = "from tinygan.data import devicebatches\ndevicebatches.SHARE = 0.0\n"
    more = ["--resume", "latest", "--device", "gpu", "--iterations", "12"]
    code, error = train(kernels, 3, tmp_path, more, extra=extra)
    assert code == 0, error
    assert [graph[1] for graph in captured(tmp_path, 3)] == ["6"] * 3
    whole = [*CASES["wn-shared-dcgan"], *TEN, "--iterations", "12"]
    assert train(kernels, 1, tmp_path / "whole", whole)[0] == 0
    expected = tensors(tmp_path / "whole")
    for name, tensor in checkpoint.load(find_checkpoint("latest", tmp_path)).tensors.items():
        np.testing.assert_allclose(tensor, expected[name], rtol=0, atol=1e-10, err_msg=name)


REFUSED = {
    "ranks 0 and 2 would share a GPU of": "",
    "several GPUs need NCCL: pip install nvidia-nccl-cu13": "xp.cuda.nccl.available = False",
    "the step cannot be captured as a CUDA graph (": "from tinygan.training import iteration\n"
    "work = iteration.CapturedIteration._work\n"
    "iteration.CapturedIteration._work = lambda self: (work(self), self.losses.rows.get())\n",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_several_gpus_cannot_do_is_one_line(tmp_path, kernels, line):
    sharing = line.startswith("ranks")
    options = [*CASES["wn-shared-dcgan"], *TEN]
    ranks = 3 if sharing else 2
    code, error = train(kernels, ranks, tmp_path, options, devices=2, extra=REFUSED[line])
    assert code != 0
    said = mpiexec.lines_of(error)
    assert said
    assert all(line in one for one in said)
    if "captured" not in line:  # which every rank finds out by itself, at the same time
        assert len(said) == 1


@pytest.mark.slow
def test_the_search_is_shared_out_among_devices(tmp_path, kernels):
    options = [*CASES["bn-shared-resnet"], *TEN]
    assert train(kernels, 1, tmp_path, options)[0] == 0
    (run,) = tmp_path.iterdir()
    figures = []
    for ranks in (1, 2):
        code = mpiexec.script("evaluate", STAND_IN.format(devices=2, folder=kernels) + TINY)
        words = ["reconstruct", run, "--steps", "5", "--set", "running", "--checkpoint", "last", "--device", "gpu"]
        status, _, error = finish(mpiexec.start(ranks, code, *words))
        assert status == 0, error
        figures.append(json.loads((run / "evaluation/reconstruct-running-last-5.json").read_text())["losses"])
    assert figures[1] == pytest.approx(figures[0], rel=1e-9)
