"""A run is looked at while it is being written: everything that reads it sees something whole."""

import sys
import time

import pytest

import evaluate
from tests.liverun import start_training


@pytest.mark.skipif(sys.platform != "linux", reason="the started run is looked at in /proc")
def test_a_run_that_is_being_written(tmp_path, capsys):
    process, folder, _ = start_training(tmp_path / "runs", cores=1)
    try:
        until = time.monotonic() + 60
        while not (folder / "checkpoints" / "best.safetensors").exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        lines = []
        for _ in range(3):  # log lines, checkpoints and grids come several times a second
            lines.append(len((folder / "log.jsonl").read_text().splitlines()))
            evaluate.main(["compare", str(folder)])
            evaluate.main(["report", str(folder), "--out", str(tmp_path / "report.html")])
            evaluate.main(["samples", str(folder), "--checkpoint", "last", "--count", "4", "--device", "cpu"])
            evaluate.main(["reconstruct", str(folder), "--set", "running", "--steps", "1", "--device", "cpu"])
        assert process.poll() is None
        assert lines[0] < lines[-1]
        assert "Note: 00000-shapes-bn has no final loss yet" in capsys.readouterr().out
    finally:
        process.kill()
        process.communicate()
