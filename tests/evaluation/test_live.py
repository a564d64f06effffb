"""A run is looked at while it is being written: everything that reads it sees something whole."""

import sys
import time

import pytest

from tests.liverun import IMAGES, start_training
from tinygan.cli import evaluate
from tinygan.data import shapes
from tinygan.errors import run_script


@pytest.mark.skipif(sys.platform != "linux", reason="the started run is looked at in /proc")
def test_a_run_that_is_being_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shapes, "IMAGES", IMAGES)
    process, folder, _ = start_training(tmp_path / "runs", cores=1)
    try:
        until = time.monotonic() + 60
        while not (folder / "checkpoints" / "best.safetensors").exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        rounds, begun = 0, lines_of(folder)
        while rounds < 3 or lines_of(folder) < begun + 5:  # log lines and checkpoints come several times a second
            assert time.monotonic() < until
            for command in (
                ("compare", folder),
                ("report", folder, "--out", tmp_path / "report.html"),
                ("samples", folder, "--checkpoint", "last", "--count", 4, "--device", "cpu"),
                ("reconstruct", folder, "--set", "running", "--steps", 1, "--device", "cpu"),
            ):
                assert run_script(evaluate.main, list(map(str, command))) == 0, capsys.readouterr().err
            rounds += 1
        assert process.poll() is None
        assert capsys.readouterr().out.count("Note: 00000-shapes-bn has no final loss yet") == rounds
    finally:
        process.kill()
        process.communicate()


def lines_of(folder):
    return len((folder / "log.jsonl").read_text().splitlines())
