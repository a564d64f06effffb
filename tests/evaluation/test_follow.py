"""report --follow: written when a run changes, waiting for a first running test, ended by Ctrl-C with 130."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.evaluation.test_comparison import make_run
from tinygan.cli import evaluate
from tinygan.errors import TinyganError
from tinygan.report import follow

ROOT = Path(__file__).parents[2]


@pytest.fixture
def rounds(monkeypatch):
    """Instead of each pause, the next of these actions; Ctrl-C after the last. Pauses in seconds are noted."""
    actions, pauses = [], []

    def sleep(seconds):
        pauses.append(seconds)
        if not actions:
            raise KeyboardInterrupt
        actions.pop(0)()

    monkeypatch.setattr(follow.time, "sleep", sleep)
    return actions, pauses


def test_the_page_is_written_again_when_a_run_changes_and_only_then(tmp_path, rounds, monkeypatch):
    actions, pauses = rounds
    path, page = make_run(tmp_path / "run"), tmp_path / "page.html"
    written = []
    write = follow.write_report
    monkeypatch.setattr(
        follow, "write_report", lambda runs, file: (written.append(len(runs[0].tests)), write(runs, file))
    )

    def test_again():
        figures = {"loss": 0.01, "std": 0.1, "psnr": 20.0, "z2": 1.0}
        with open(path / "log.jsonl", "a") as log:
            log.write(json.dumps({"iteration": 400, "reconstruction": figures}) + "\n")

    actions += [lambda: None, test_again, lambda: None, lambda: shutil.rmtree(path / "evaluation"), lambda: None]
    with pytest.raises(KeyboardInterrupt):
        evaluate.main(["report", str(path), "--out", str(page), "--follow"])
    assert written == [3, 4, 4]
    assert "at iteration 400" in page.read_text()
    assert min(pauses) >= follow.PAUSE


def test_a_reconstruction_that_comes_after_its_line_of_the_log_is_shown(tmp_path, rounds, monkeypatch):
    actions, _ = rounds
    path = make_run(tmp_path / "run")
    (picture := path / "reconstructions" / "000300.png").unlink()
    written = []
    monkeypatch.setattr(follow, "write_report", lambda runs, file: written.append(picture.exists()))
    actions += [lambda: shutil.copy(path / "samples" / "000100.png", picture), lambda: None]
    with pytest.raises(KeyboardInterrupt):
        evaluate.main(["report", str(path), "--out", str(tmp_path / "page.html"), "--follow"])
    assert written == [False, True]


def test_it_waits_for_a_first_running_test(tmp_path, rounds, capsys):
    actions, _ = rounds
    path, page = make_run(tmp_path / "run", running=(), final=None), tmp_path / "page.html"
    line = json.dumps({"iteration": 100, "reconstruction": {"loss": 0.01, "std": 0.1, "psnr": 20.0, "z2": 1.0}})
    actions += [
        lambda: page.exists() and pytest.fail("too early"),
        lambda: (path / "log.jsonl").write_text(line + "\n"),
    ]
    with pytest.raises(KeyboardInterrupt):
        follow.follow([path], page)
    assert page.exists()
    assert capsys.readouterr().out.endswith("1 of 1 runs with a running test\n")


def test_a_folder_that_is_no_run_is_named_at_once(tmp_path, rounds):
    with pytest.raises(TinyganError, match="is no run folder"):
        follow.follow([tmp_path], tmp_path / "page.html")


def test_ctrl_c_ends_it_with_130(tmp_path):
    path, page = make_run(tmp_path / "run"), tmp_path / "page.html"
    command = [sys.executable, "evaluate.py", "report", str(path), "--out", str(page), "--follow"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert "1 of 1 runs" in process.stdout.readline()
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert page.exists()
