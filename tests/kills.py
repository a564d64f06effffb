"""Scripts that are killed at random moments, as a whole or in part, and what has to hold after each kill."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests import liverun
from tests.liverun import children, hear_signals

LIMIT = 10.0  # seconds after which a process that was told to end hangs
START = """
import sys
from tinygan.signals import begin_script
begin_script()
print("begun", flush=True)
"""


class Kill(NamedTuple):
    """A way to end a script.

    Attributes:
        send: is given the process.
        codes: exit codes that this may have, beside 0 where everything was done before.
    """

    send: Callable[[subprocess.Popen], None]
    codes: tuple[int, ...]


def _kill_a_worker(process: subprocess.Popen) -> None:
    """One of the processes that it has begun, or itself while there is none."""
    with suppress(ProcessLookupError):  # that one has just ended, as all do at the end
        os.kill(random.choice(children(process.pid) or [process.pid]), signal.SIGKILL)


KILLS = {
    "killed": Kill(lambda process: process.kill(), (-9,)),
    "killed with all": Kill(lambda process: os.killpg(process.pid, signal.SIGKILL), (-9,)),
    "one of its processes killed": Kill(_kill_a_worker, (1, -9)),
    # By the signal itself where all is done and the interpreter has taken the handlers down.
    "Ctrl-C": Kill(lambda process: os.killpg(process.pid, signal.SIGINT), (130, -2)),
    # Before there is anything to save these end it as they end any program.
    "SIGTERM": Kill(lambda process: process.send_signal(signal.SIGTERM), (143, -15)),
    "SIGHUP": Kill(lambda process: os.killpg(process.pid, signal.SIGHUP), (129, -1)),
}


def begin(code: str, *arguments: object) -> subprocess.Popen:
    """Run ``code`` behind ``START``, in a process group of its own; returns once it has begun.

    Each process that ``code`` begins must be one that it cannot do without: ``_kill_a_worker`` kills any of them.
    """
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = liverun.begin([sys.executable, "-c", START + code, *arguments], {}, **pipes, preexec_fn=hear_signals)
    assert process.stdout.readline() == "begun\n"
    return process


def storm(count: int, seconds: float, start: Callable[[], subprocess.Popen]) -> Iterator[int]:
    """Start ``count`` times and kill within so many seconds; yields the exit codes.

    Raises:
        AssertionError: it hung, said more than a line, or left a process behind.
    """
    chance = random.Random(0)
    for number in range(count):
        how = list(KILLS)[number % len(KILLS)]
        process, delay = start(), chance.uniform(0, seconds)
        where = f"{how} after {delay:.3f} s, number {number}"
        time.sleep(delay)
        if process.poll() is None:
            KILLS[how].send(process)
        killed = time.monotonic()
        try:
            error = process.communicate(timeout=LIMIT)[1]
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{where}: hangs, with {group(process.pid)}") from None
        said = [line for line in error.splitlines() if "going on from there" not in line]
        assert process.returncode in (0, *KILLS[how].codes), f"{where}: {process.returncode}, {error}"
        assert len(said) <= 1, f"{where}: {error}"
        assert "Traceback" not in error, f"{where}: {error}"
        while group(process.pid):
            assert time.monotonic() < killed + LIMIT, f"{where}: left {group(process.pid)}"
            time.sleep(0.01)
        yield process.returncode


def group(leader: int) -> list[int]:
    """The processes of this group that still run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, number = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(number) == leader and state != "Z":
            found.append(int(folder.name))
    return found
