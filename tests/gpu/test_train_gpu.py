"""train.py on a GPU: it trains, resumes, and its checkpoints move to the CPU and back."""

import subprocess
import sys

import numpy as np
import pytest

import train
from tinygan.errors import run_script
from tinygan.training import checkpoint
from tinygan.training.runfolder import RunFolder

pytestmark = pytest.mark.gpu
SMALL = ["--features", "16", "--code-size", "32", "--log-every", "10"]


@pytest.fixture
def trained(tmp_path):
    """The folder of a run of 30 iterations on the GPU."""
    assert run_script(train.main, [*SMALL, "--device", "gpu", "--iterations", "30", "--out", str(tmp_path)]) == 0
    return RunFolder(tmp_path / "00000-shapes-wn")


def test_losses_follow_the_cpu(trained, tmp_path):
    assert run_script(train.main, [*SMALL, "--device", "cpu", "--iterations", "30", "--out", str(tmp_path)]) == 0
    on_cpu = RunFolder(tmp_path / "00001-shapes-wn").read_log()
    for ours, theirs in zip(trained.read_log(), on_cpu, strict=True):
        for name in ("d_real", "d_fake", "g"):
            # Rounding grows with the iterations, by RMSProp's first steps most; a wrong kernel is off at once.
            assert abs(ours[name] - theirs[name]) < 0.02


@pytest.mark.parametrize("device", ["gpu", "cpu"])
def test_a_run_goes_on_on_either_device(trained, device):
    resume = ["--resume", str(trained.path), "--iterations", "40", "--device", device]
    assert run_script(train.main, resume) == 0
    assert [line["iteration"] for line in trained.read_log()] == [10, 20, 30, 40]
    for name, tensor in checkpoint.load(trained.last).tensors.items():
        assert np.isfinite(tensor).all(), name


PRODUCT = """
import numpy as np
backend = open_backend("gpu", {precision!r})
a = backend.xp.full((64, 64), 1 + 2**-12, np.float32)  # 12 bits of mantissa, where tf32 keeps 10
print(float((a @ a)[0, 0]), backend.xp.cuda.Device().compute_capability)
"""


@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_tf32_is_taken_where_it_is_asked_for(precision):
    # In a process of its own: CuPy settles the question once per process.
    command = [sys.executable, "-c", PRODUCT.format(precision=precision)]
    product, capability = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    rounded = abs(float(product) - 64 * (1 + 2**-12) ** 2) > 1e-3  # exact: 64.03; factors rounded to 1: 64
    assert rounded == (precision == "tf32" and int(capability) >= 80)
