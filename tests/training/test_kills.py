"""Training on two processes, killed again and again at any moment: in the end it is what it would have been without."""

import json
import sys
import time

import pytest

from tests.kills import begin, storm
from tests.liverun import FEW
from tests.training.conftest import log_of
from tinygan.training import checkpoint
from tinygan.training.runfolder import RunFolder, find_checkpoint

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
# Without git: a run can do without it, and goes on where it is the process that is killed.
CODE = f"""
{FEW}
from tinygan.training import session
session.git_commit = lambda: None
from tinygan.runtime import threads
threads.core_count = lambda: 2
from tinygan.cli import train
from tinygan.errors import run_script
sys.exit(run_script(train.main, sys.argv[1:]))
"""
TRAINING = ["--norm", "bn", "--features", "2", "--code-size", "4", "--batch-size", "8", "--device", "cpu"]
TRAINING += ["--iterations", "100000", "--log-every", "2", "--save-every", "2", "--sample-every", "50"]
TRAINING += ["--test-every", "20"]


def start(out):
    """The newest run goes on; where none has a checkpoint yet, a new one begins."""
    whole = list(out.glob("*/checkpoints/last.safetensors"))
    return begin(CODE, *(["--resume", "latest", "--out", out] if whole else [*TRAINING, "--out", out]))


def finish(*arguments):
    process = begin(CODE, *arguments)
    error = process.communicate()[1]
    assert process.returncode == 0, error


def assert_killed_training_is_exact(tmp_path, count):
    out, began = tmp_path / "killed", time.monotonic()
    process = start(out)
    while not list(out.glob("*/checkpoints/last.safetensors")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    seconds = 1.3 * (time.monotonic() - began)  # so that some kills come before the first iteration
    process.kill()
    process.communicate()
    list(storm(count, seconds, lambda: start(out)))
    reached = checkpoint.load(find_checkpoint("latest", out)).progress.iteration
    finish("--resume", "latest", "--out", out, "--iterations", reached + 3)
    finish(*TRAINING, "--out", tmp_path / "whole", "--iterations", reached + 3)
    killed, whole = (RunFolder(find_checkpoint("latest", folder).parent.parent) for folder in (out, tmp_path / "whole"))
    ours, theirs = (checkpoint.load(run.last).tensors for run in (killed, whole))
    assert {name: tensor.tobytes() for name, tensor in ours.items()} == {
        name: tensor.tobytes() for name, tensor in theirs.items()
    }
    assert log_of(killed) == log_of(whole)
    assert not list(killed.path.rglob("*.part"))
    json.loads(killed.config.read_text())


def test_a_few_kills(tmp_path):
    assert_killed_training_is_exact(tmp_path, 6)


@pytest.mark.slow
def test_two_hundred_kills(tmp_path):
    assert_killed_training_is_exact(tmp_path, 200)
