"""How a rank notices that another one was killed, where the launcher does not end it."""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from tests import mpiexec
from tests.liverun import ROOT, assert_ended

reason = mpiexec.why_no_mpi()
pytestmark = [
    pytest.mark.skipif(reason is not None, reason=str(reason)),
    pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="Linux only"),
]
# A rank of three that watches two other processes; argv has its number.
RANK = """
import os, subprocess, sys
from types import SimpleNamespace
from tinygan.runtime import mpi
quiet = subprocess.DEVNULL
others = [rank for rank in range(3) if rank != int(sys.argv[1])]
sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
processes = [subprocess.Popen(sleep, stdout=quiet, stderr=quiet) for _ in others]
mpi.rank, mpi.size = int(sys.argv[1]), 3
mpi.world = SimpleNamespace(Abort=lambda code: os._exit(code + 40))
mpi.leaving, mpi.LAST_WORDS = sys.argv[2] == "leaving", 0.2
print(*(process.pid for process in processes), flush=True)
mpi._watch(os.getppid(), {os.pidfd_open(process.pid): rank for process, rank in zip(processes, others)})
"""


def kill(rank, how, *victims):
    """Exit code and standard error of rank ``rank`` when the others with these places are killed."""
    command = [sys.executable, "-c", RANK, str(rank), how]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as process:
        others = list(map(int, process.stdout.readline().split()))
        try:
            process.send_signal(signal.SIGSTOP)  # so that it sees the ends of two at once
            for place in victims:
                os.kill(others[place], signal.SIGKILL)
            assert_ended(*(others[place] for place in victims))
            process.send_signal(signal.SIGCONT)
            error = process.communicate(timeout=30)[1]
        finally:
            process.kill()
            for place in {0, 1} - set(victims):
                os.kill(others[place], signal.SIGKILL)
    return process.returncode, error


@pytest.mark.parametrize(
    ("rank", "victims", "named"), [(0, (0,), 1), (0, (1,), 2), (1, (0,), 0), (2, (0, 1), "[01]"), (1, (1,), None)]
)
def test_all_end_and_the_first_that_is_left_says_why(rank, victims, named):
    code, said = kill(rank, "training", *victims)
    line = f"error: rank {named} on {socket.gethostname()} ended without a word, and so do the others\n"
    assert re.fullmatch("" if named is None else line, said)
    assert code == 41


def test_who_leaves_anyway_says_nothing():
    assert kill(0, "leaving", 1) == (0, "")
