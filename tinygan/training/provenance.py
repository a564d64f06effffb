"""Which code a run was trained by."""

import subprocess
from pathlib import Path

import tinygan


def git_commit() -> str | None:
    """The commit of the source tree that runs, "-dirty" if it was changed since; None outside a git checkout.

    Read without git's lock on its index: a killed run would leave it there, and every later ``git add`` would fail.
    ``git describe --dirty`` takes the lock whatever it is told.
    """
    git = ["git", "--no-optional-locks", "-C", str(Path(tinygan.__file__).parent)]
    status = ["status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    try:
        lines = subprocess.run([*git, *status], capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return None
    commit = next(line for line in lines if line.startswith("# branch.oid ")).split()[2]
    return commit + ("-dirty" if any(line[0] != "#" for line in lines) else "")
