"""Commands that fail, crash, hang, print without end or leave processes behind end in bounded time, and are told."""

import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks import watched
from benchmarks.watched import run
from tests.liverun import assert_ended


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """A function that runs Python code: its outcome, and what the log holds."""
    monkeypatch.setattr(watched, "GRACE", 0.5)

    def run_code(code: str, limit: float = 60, **how):
        log = tmp_path / "log"
        return run([sys.executable, "-c", code], log, limit, **how), log.read_bytes()

    return run_code


def test_what_is_said_is_kept(ran):
    outcome, log = ran("import sys; print('one\\x1b[2J'); print('two', file=sys.stderr)")
    assert (outcome.status, outcome.exit) == ("passed", 0)
    assert sorted(log.splitlines()) == [b"one\x1b[2J", b"two"]
    assert sorted(outcome.last) == [r"one\x1b[2J", "two"]
    assert 0 < outcome.seconds < 60


@pytest.mark.parametrize(
    ("code", "status", "exit"),
    [
        ("raise SystemExit(3)", "failed", 3),
        ("1 / 0", "failed", 1),
        ("import os; os.kill(os.getpid(), 11)", "crashed", -signal.SIGSEGV),
    ],
)
def test_a_failure(ran, code, status, exit):
    outcome, _ = ran(code)
    assert (outcome.status, outcome.exit) == (status, exit)


def test_what_cannot_be_begun(tmp_path):
    outcome = run([str(tmp_path / "nothing")], tmp_path / "log", 10)
    assert (outcome.status, outcome.exit) == ("failed", None)
    assert "No such file" in outcome.last[0]


# For the shell, which is as they say long before the time is up: six times Python on a busy machine may not be.
HANGING = [deaf + loud for deaf in ("", "trap '' TERM; ") for loud in ("", "echo busy; ", "exec >&- 2>&-; ")]


def test_what_hangs_is_ended(tmp_path, monkeypatch):
    """All side by side, since each takes its whole time."""
    monkeypatch.setattr(watched, "GRACE", 0.5)

    def hang(number):
        return run(["sh", "-c", f"{HANGING[number]}exec sleep 1000"], tmp_path / f"{number}", 2)

    with ThreadPoolExecutor(len(HANGING)) as pool:
        for code, outcome in zip(HANGING, pool.map(hang, range(len(HANGING))), strict=True):
            by = signal.SIGKILL if "trap" in code else signal.SIGTERM
            assert (outcome.status, outcome.exit) == ("out of time", -by), code
            assert 2 <= outcome.seconds < 20


def test_what_prints_without_end_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(watched, "FIRST", 1000)
    monkeypatch.setattr(watched, "LAST", 500)
    outcome = run(["yes", "x" * 9999], tmp_path / "log", 1)
    log = (tmp_path / "log").read_bytes()
    assert outcome.status == "out of time"
    assert len(log) < 1600
    assert b"bytes are left out]" in log
    assert all(len(line) <= watched.LINE for line in outcome.last)


def test_the_end_of_a_long_output_is_kept(ran, monkeypatch):
    monkeypatch.setattr(watched, "FIRST", 100)
    for last, left_out in ((50, True), (10_000, False)):
        monkeypatch.setattr(watched, "LAST", last)
        outcome, log = ran("for n in range(200): print(n)")
        assert (outcome.status, outcome.last[-1]) == ("passed", "199")
        assert (b"left out" in log) == left_out
        assert log.endswith(b"198\n199\n")
    assert log == b"".join(b"%d\n" % n for n in range(200))


CHILD = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)']).pid)"


def test_nothing_is_left_behind(ran):
    """A process of its own that still holds the pipe when the command has ended."""
    outcome, log = ran(CHILD)
    assert (outcome.status, outcome.exit) == ("passed", 0)
    assert outcome.seconds < 30
    assert_ended(int(log))


def test_a_stop_ends_it_early(ran):
    outcome, _ = ran(f"{CHILD}; sys.stdout.flush(); import time; time.sleep(1000)", stop=[False, True].pop)
    assert (outcome.status, outcome.exit) == ("stopped", -signal.SIGTERM)


def test_an_interrupt_of_the_caller_ends_it_too(ran, tmp_path):
    def interrupted():
        if (tmp_path / "log").read_bytes():
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        ran("import os, time; print(os.getpid(), flush=True); time.sleep(1000)", stop=interrupted)
    assert_ended(int((tmp_path / "log").read_text()))
