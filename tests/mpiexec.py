"""Scripts under mpiexec, as several ranks on this machine."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests import liverun
from tests.liverun import hear_signals

MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")


def why_no_mpi() -> str | None:
    """None where ranks can be started; else what is missing."""
    missing = [name for name in ("mpi4py",) if importlib.util.find_spec(name) is None]
    if MPIEXEC is None:
        missing.append("mpiexec")
    return f"{' and '.join(missing)} missing: pip install -e '.[mpi]'" if missing else None


def start(
    ranks: int, code: str, *arguments: object, before: Callable[[], object] = hear_signals, **environment: str
) -> subprocess.Popen:
    """``code`` in so many ranks, each on one thread; its output can be read from the process."""
    command = [MPIEXEC, "-n", ranks, sys.executable, "-c", code, *arguments]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return liverun.begin(command, {"OMP_NUM_THREADS": "1"} | environment, **pipes, preexec_fn=before)


def script(name: str, setup: str = "") -> str:
    """Code that runs train.py or evaluate.py, after ``setup``."""
    return f"""
import sys
from tinygan.signals import begin_script
begin_script()
{setup}
import {name}
from tinygan.runtime.launched import run_script
sys.argv[0] = "{name}.py"
sys.exit(run_script({name}.main, sys.argv[1:]))
"""


def lines_of(error: str) -> list[str]:
    """What the program itself said on standard error: the launcher's own report of an end has frames and marks."""
    own = ("error: ", "stopped by", "interrupted", "Traceback")
    return [line for line in error.splitlines() if line.startswith(own)]
