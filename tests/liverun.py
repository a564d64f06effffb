"""Training in a process of its own, to be looked at, stopped or killed while it goes on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Few shapes: a process would take longer to draw all of them than to train.
IMAGES = 2000
FEW = f"from tinygan.data import shapes\nshapes.IMAGES = {IMAGES}\n"
CODE = """
import sys
from tinygan.signals import begin_script
begin_script()
{few}
from tinygan.runtime import threads
threads.core_count = lambda: {cores}
from tinygan.cli import train
from tinygan.errors import run_script
sys.exit(run_script(train.main, sys.argv[1:]))
"""
TRAINING = ["--dataset", "shapes", "--features", "8", "--batch-size", "16", "--iterations", "100000", "--device", "cpu"]
TRAINING += ["--norm", "bn", "--log-every", "2", "--save-every", "2", "--test-every", "20"]


def hear_signals() -> None:
    """Before a script begins: it ignores none, whatever these tests were started by."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


_begun: list[subprocess.Popen] = []


def begin(command: Sequence[object], environment: dict[str, str], **how: object) -> subprocess.Popen:
    """A process in a group of its own, on this checkout; :func:`end_all` ends what a failed test leaves of it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    process = subprocess.Popen(list(map(str, command)), env=environment, text=True, process_group=0, **how)
    _begun.append(process)
    return process


def end_all() -> None:
    """After each test: nothing goes on beside those that follow, and no open pipe is told as an error of theirs."""
    while _begun:
        process = _begun.pop()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in filter(None, (process.stdout, process.stderr)):
            pipe.close()


def train(cores: int, *arguments: object, before: Callable[[], object] = hear_signals) -> subprocess.Popen:
    """train.py on so many cores, in a process group of its own; ``before`` runs in it first."""
    command = [sys.executable, "-c", CODE.format(cores=cores, few=FEW), *arguments]
    return begin(command, {}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=before)


def start_training(
    out: Path, cores: int, before: Callable[[], object] = hear_signals
) -> tuple[subprocess.Popen, Path, list[int]]:
    """The process, its run folder, and the ids of the processes it has made, once it has logged some lines."""
    process = train(cores, *TRAINING, "--out", out, before=before)
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        logs = list(out.glob("*/log.jsonl"))
        if logs and len(logs[0].read_text().splitlines()) >= 3:
            return process, logs[0].parent, children(process.pid)
        time.sleep(0.05)
    process.kill()
    raise AssertionError(process.communicate()[1])


def children(pid: int) -> list[int]:
    """The processes that this one has begun; none if it has ended."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def runs(pid: int) -> bool:
    """Whether this process still runs, and is not only waiting for somebody to take its exit code."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:  # which the reading raises too, where it ends after the opening
        return False
    except FileNotFoundError:  # it has just ended, or the system has no such files
        return sys.platform != "linux"


def assert_ended(*pids: int) -> None:
    """They run no longer, or in a moment."""
    until = time.monotonic() + 30
    while left := [pid for pid in pids if runs(pid)]:
        assert time.monotonic() < until, f"{left} go on"
        time.sleep(0.01)


def resume(folder: Path, iterations: int) -> None:
    """The run, whose training has ended, goes on up to so many iterations."""
    process = train(1, "--resume", folder, "--iterations", iterations)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 0, error
