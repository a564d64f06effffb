"""train.py on a GPU: it trains, resumes, and its checkpoints move to the CPU and back."""

import numpy as np
import pytest

from tinygan.cli import train
from tinygan.errors import run_script
from tinygan.training import checkpoint
from tinygan.training.runfolder import RunFolder
from tinygan.training.step import SCHEDULES

pytestmark = pytest.mark.gpu
SMALL = ["--features", "16", "--code-size", "32", "--log-every", "10"]


def trained(out, *arguments):
    """The folder of a run of 30 iterations in ``out``."""
    assert run_script(train.main, [*SMALL, "--iterations", "30", "--out", str(out), *arguments]) == 0
    return RunFolder(sorted(out.iterdir())[-1])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_losses_follow_the_cpu(tmp_path, schedule, capsys):
    exact = ["--precision", "float32", "--schedule", schedule]
    on_gpu = trained(tmp_path, "--device", "gpu", *exact).read_log()
    assert "captured" not in capsys.readouterr().out  # said only where the step could not be captured
    on_cpu = trained(tmp_path, "--device", "cpu", *exact).read_log()
    for ours, theirs in zip(on_gpu, on_cpu, strict=True):
        for name in ("d_real", "d_fake", "g"):
            # Rounding grows with the iterations, by RMSProp's first steps most; a wrong kernel is off at once.
            assert abs(ours[name] - theirs[name]) < 0.02


@pytest.mark.parametrize("device", ["gpu", "cpu"])
def test_a_run_goes_on_on_either_device(tmp_path, device):
    run = trained(tmp_path, "--device", "gpu")
    resume = ["--resume", str(run.path), "--iterations", "40", "--device", device]
    assert run_script(train.main, resume) == 0
    assert [line["iteration"] for line in run.read_log()] == [10, 20, 30, 40]
    for name, tensor in checkpoint.load(run.last).tensors.items():
        assert np.isfinite(tensor).all(), name
