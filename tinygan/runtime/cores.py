"""How many of the processor's cores there are to compute on: what the system allows, and what the environment asks for.

The system limits a process in two ways: to certain cores (its affinity), or to a share of the time of all (the quota
of its control groups, which is what a container's limit is).
"""

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

NUMBER = r"\s*\+?0*[1-9][0-9]{0,17}\s*"
THREADS = re.compile(f"({NUMBER})(,{NUMBER})*", re.ASCII)  # one number per level of nested parallel regions
sharers = 1  # how many ranks of one training may use these cores


def allowed_cores() -> int:
    """How many cores this process may keep busy, at least 1; part of a core counts as one."""
    present = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(present, cpu_quota())))


def core_count() -> int:
    """Cores to compute on: all allowed, or fewer where OMP_NUM_THREADS or OPENBLAS_NUM_THREADS says so.

    Of cores that several ranks of one training may use, each takes its share. As in OpenMP, a list such as ``4,2``
    counts by its first number, and what is no list of positive numbers is ignored.
    """
    found = [THREADS.fullmatch(os.environ.get(name, "")) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")]
    return min([max(1, allowed_cores() // sharers), *(int(match[1]) for match in found if match)])


def cpu_quota(root: Path = Path("/")) -> float:
    """Cores' worth of time that this process's control groups leave it, both versions; infinity without a limit."""
    return min(map(_quota_of, _control_groups(root)), default=math.inf)


def _control_groups(root: Path) -> Iterator[Path]:
    """The folders of the groups that limit this process: its own, and all that this one lies in (man 7 cgroups)."""
    try:
        own = [line.split(":", 2) for line in (root / "proc/self/cgroup").read_text().splitlines()]
        mounts = [line.split() for line in (root / "proc/self/mountinfo").read_text().splitlines()]
    except OSError:  # not on Linux
        return
    group_of = {name: PurePosixPath(path) for _, names, path in own for name in names.split(",")}  # "": version 2
    for mount in mounts:
        top, folder = PurePosixPath(mount[3]), root / mount[4].lstrip("/")
        kind, *_, options = mount[mount.index("-") + 1 :]
        controller = {"cgroup2": "", "cgroup": "cpu" if "cpu" in options.split(",") else None}.get(kind)
        if controller in group_of:
            group = group_of[controller]
            yield folder
            for name in group.relative_to(top).parts if group.is_relative_to(top) else ():
                folder /= name
                yield folder


def _quota_of(group: Path) -> float:
    """Of one group: microseconds of processor time over the microseconds in which they may be used."""
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 else math.inf
    except (OSError, ValueError, ZeroDivisionError):  # "max", or no limit can be set here
        return math.inf
