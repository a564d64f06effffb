"""Ctrl-C, SIGTERM and SIGHUP at any moment of a script: one line, the right exit code, and what can be saved is."""

import ast
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import pytest

from tests.liverun import hear_signals, resume, runs, start_training
from tinygan.signals import ENDING, StopRequest, held_back
from tinygan.training import checkpoint

ROOT = Path(__file__).parent.parent
SCRIPTS = [
    ["train.py", "--iterations", "1", "--device", "cpu"],
    ["-m", "tinygan", "train", "--dry-run"],
    ["-m", "experiments.three_models"],
    ["-m", "benchmarks.candidates.implicit"],
]
# Stands in for a person's Ctrl-C: whoever imports this module first gets the signal in the middle of it.
INTERRUPTED_IMPORT = """
import importlib.abc, os, signal, sys
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {name!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
"""


def test_every_script_takes_signals_before_it_imports_anything():
    files = [*ROOT.glob("*.py"), ROOT / "experiments" / "__init__.py", *(ROOT / "benchmarks").rglob("*.py")]
    scripts = [file for file in files if "run_script(main" in file.read_text() or file.parent.name == "experiments"]
    assert len(scripts) > 10
    for file in scripts:
        statements = [ast.unparse(one) for one in ast.parse(file.read_text()).body[1:]]
        begun = next(k for k, one in enumerate(statements) if one.endswith("begin_script()"))
        # A package's __init__ runs before its module that is the script.
        started = "if sys.argv[0] == '-m':" if file.name == "__init__.py" else "if __name__ == '__main__':"
        assert statements[begun].startswith(started), file
        assert set(statements[:begun]) <= {"import sys", "from tinygan.signals import begin_script"}, file


@pytest.mark.parametrize("name", ["numpy", "numpy.linalg", "tinygan.errors"])
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script[script[0] == "-m"])
def test_an_interrupted_import_is_one_line(tmp_path, script, name):
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTED_IMPORT.format(name=name))
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, *script], cwd=ROOT, env=environment, capture_output=True, text=True, preexec_fn=hear_signals
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


REFUSED_THREADS = """
import threading
def refuse(self):
    raise RuntimeError("can't start new thread")
threading.Thread.start = refuse
"""


def test_a_matrix_library_without_its_threads_is_no_interruption(tmp_path):
    """OpenBLAS raises SIGINT in the process that imports it."""
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTED_IMPORT.format(name="numpy.linalg") + REFUSED_THREADS)
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, *SCRIPTS[0]],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        preexec_fn=hear_signals,
    )
    line = "error: can't start new thread: set OPENBLAS_NUM_THREADS=1 to need fewer, or raise the limit (ulimit -u)\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)


@pytest.fixture
def handlers():
    """The handlers of before are there again after the test."""
    before = {number: signal.getsignal(number) for number in ENDING}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", ENDING)
def test_the_first_signal_is_a_request_and_the_second_acts_as_usual(handlers, number):
    seen = []
    signal.signal(number, lambda *arguments: seen.append(arguments[0]))
    with StopRequest() as stop:
        assert not stop.asked()
        os.kill(os.getpid(), number)
        assert stop.asked()
        assert stop.number == number
        assert seen == []
        os.kill(os.getpid(), number)
        assert seen == [number]
    os.kill(os.getpid(), number)
    assert seen == [number, number]


def test_several_signals_at_once_are_one_request(handlers, monkeypatch):
    """As when the system goes down; what Python could not deliver it would tell as a traceback."""
    complaints = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)
    with StopRequest() as stop:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        for number in ENDING:
            os.kill(os.getpid(), number)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        assert stop.number in ENDING
    assert complaints == []


def test_a_hangup_stays_ignored_where_it_was(handlers):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not stop.asked()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_signals_that_are_held_back_arrive_afterwards(handlers):
    seen = []
    signal.signal(signal.SIGTERM, lambda *arguments: seen.append(arguments[0]))
    with held_back():
        signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)
        assert seen == []
    assert seen == [signal.SIGTERM]


def test_the_end_of_the_session_saves(tmp_path):
    process, folder, _ = start_training(tmp_path, cores=2)
    process.send_signal(signal.SIGHUP)
    error = process.communicate(timeout=30)[1]
    assert process.returncode == 128 + signal.SIGHUP
    reached = checkpoint.load(folder / "checkpoints" / "last.safetensors").progress.iteration
    assert error.startswith(f"stopped by SIGHUP after iteration {reached}, everything is saved")


def test_under_nohup_training_goes_on(tmp_path):
    process, folder, _ = start_training(tmp_path, cores=2, before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    logged = len((folder / "log.jsonl").read_text().splitlines())
    until = time.monotonic() + 30
    while len((folder / "log.jsonl").read_text().splitlines()) < logged + 3:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert "stopped by SIGTERM" in process.communicate(timeout=30)[1]


def test_a_terminal_that_is_gone_costs_nothing(tmp_path):
    """Its end sends SIGHUP, and every write to it fails from then on."""
    pid, terminal = pty.fork()
    if pid == 0:
        hear_signals()
        termios.tcsetwinsize(0, (24, 80))  # a terminal without width shows no bar
        options = ["--features", "4", "--batch-size", "8", "--iterations", "100000", "--device", "cpu"]
        os.chdir(ROOT)
        command = [sys.executable, "train.py", *options, "--log-every", "1", "--save-every", "100000"]
        os.execv(sys.executable, [*command, "--out", str(tmp_path)])
    shown, until = b"", time.monotonic() + 60
    try:
        while b"d_real" not in shown and time.monotonic() < until:
            if select.select([terminal], [], [], 1)[0]:
                shown += os.read(terminal, 1000)
        assert b"d_real" in shown
    finally:
        os.close(terminal)
        until = time.monotonic() + 30
        while runs(pid) and time.monotonic() < until:
            time.sleep(0.02)
        os.kill(pid, signal.SIGKILL)  # nothing to a process that has ended
        status = os.waitpid(pid, 0)[1]
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP
    (folder,) = tmp_path.iterdir()
    assert checkpoint.load(folder / "checkpoints" / "last.safetensors").progress.iteration > 0


def test_a_parent_that_ignores_its_children_changes_nothing(tmp_path):
    process, folder, _ = start_training(tmp_path, cores=2, before=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    process.send_signal(signal.SIGTERM)
    error = process.communicate(timeout=30)[1]
    assert (process.returncode, error.count("\n")) == (128 + signal.SIGTERM, 1)
    resume(folder, checkpoint.load(folder / "checkpoints" / "last.safetensors").progress.iteration + 1)
