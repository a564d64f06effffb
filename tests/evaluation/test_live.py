"""A run is looked at while it is being written: everything that reads it sees something whole."""

import sys
import time

import pytest

from tests.liverun import run_script, start_training


@pytest.mark.skipif(sys.platform != "linux", reason="the started run is looked at in /proc")
def test_a_run_that_is_being_written(tmp_path):
    process, folder, _ = start_training(tmp_path / "runs", cores=1)
    try:
        until = time.monotonic() + 60
        while not (folder / "checkpoints" / "best.safetensors").exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        lines = []
        for _ in range(3):  # log lines, checkpoints and grids come several times a second
            lines.append(len((folder / "log.jsonl").read_text().splitlines()))
            table = run_script("evaluate.py", "compare", folder)
            run_script("evaluate.py", "report", folder, "--out", tmp_path / "report.html")
            run_script("evaluate.py", "samples", folder, "--checkpoint", "last", "--count", 4, "--device", "cpu")
            run_script("evaluate.py", "reconstruct", folder, "--set", "running", "--steps", 1, "--device", "cpu")
        assert process.poll() is None
        assert lines[0] < lines[-1]
        assert "Note: 00000-shapes-bn has no final loss yet" in table
    finally:
        process.kill()
        process.communicate()
