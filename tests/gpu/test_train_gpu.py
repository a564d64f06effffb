"""train.py on a GPU: it trains, resumes, and its checkpoints move to the CPU and back; smaller on the stand-in."""

import numpy as np
import pytest

from tests.training.conftest import tiny_data  # noqa: F401 (a fixture)
from tinygan.cli import train
from tinygan.errors import run_script
from tinygan.training import checkpoint, feed
from tinygan.training.runfolder import RunFolder
from tinygan.training.step import SCHEDULES


@pytest.fixture
def trained(xp, tmp_path, monkeypatch, tiny_data):  # noqa: F811
    """A function that trains for three lines of the log; it returns the folder of the run."""
    sizes = ["--features", "16", "--test-every", "0", "--log-every", "10"]
    if hasattr(xp, "stand_in"):
        monkeypatch.setattr(feed, "PREVIEW_COUNT", 4)
        sizes = ["--features", "2", "--code-size", "8", "--batch-size", "4", "--image-size", "16"]
        sizes += ["--test-every", "0", "--log-every", "2"]

    def run(*arguments):
        length = ["--iterations", str(3 * int(sizes[-1])), "--out", str(tmp_path)]
        assert run_script(train.main, [*sizes, *length, *arguments]) == 0
        return RunFolder(sorted(tmp_path.iterdir())[-1])

    return run


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_losses_follow_the_cpu(trained, schedule, capsys):
    exact = ["--precision", "float32", "--schedule", schedule]
    on_gpu = trained("--device", "gpu", *exact).read_log()
    assert "captured" not in capsys.readouterr().out  # said only where the step could not be captured
    on_cpu = trained("--device", "cpu", *exact).read_log()
    assert len(on_gpu) == 3
    for ours, theirs in zip(on_gpu, on_cpu, strict=True):
        for name in ("d_real", "d_fake", "g"):
            # Rounding grows with the iterations, by RMSProp's first steps most; a wrong kernel is off at once.
            assert abs(ours[name] - theirs[name]) < 0.02


@pytest.mark.parametrize("device", ["gpu", "cpu"])
def test_a_run_goes_on_on_either_device(trained, device):
    run = trained("--device", "gpu")
    first, _, last = (line["iteration"] for line in run.read_log())
    resume = ["--resume", str(run.path), "--iterations", str(last + first), "--device", device]
    assert run_script(train.main, resume) == 0
    assert [line["iteration"] for line in run.read_log()] == [first, 2 * first, 3 * first, 4 * first]
    for name, tensor in checkpoint.load(run.last).tensors.items():
        assert np.isfinite(tensor).all(), name
