"""How many cores: the affinity, the quota of a container in either version, and all that OpenMP lets a person write."""

import math
import os

import pytest

from tinygan.runtime import cores
from tinygan.runtime.cores import allowed_cores, core_count, cpu_quota


@pytest.fixture(autouse=True)
def sixteen_cores(monkeypatch):
    """A machine of 16 cores without limits, whatever this one is."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)
    monkeypatch.setattr(cores, "cpu_quota", lambda: math.inf)


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"])
@pytest.mark.parametrize(
    ("text", "count"),
    [("1", 1), ("2,1", 2), (" 3 ", 3), ("\t4\t,\t2", 4), ("+5", 5), ("006", 6), ("7 , 2, 1", 7), ("64", 16)],
)
def test_the_environment_limits_the_cores(monkeypatch, name, text, count):
    monkeypatch.setenv(name, text)
    assert core_count() == count


# OpenMP ignores a variable that is not a list of positive numbers.
@pytest.mark.parametrize(
    "text", ["", "many", "0", "-2", "2;1", "2,", ",2", "2,0", "2,x", "2 1", "1.5", "\u0662", "9" * 5000]
)
def test_what_is_no_list_of_numbers_is_ignored(monkeypatch, text):
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert core_count() == 16


def test_the_affinity_limits_the_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5}, raising=False)
    assert allowed_cores() == core_count() == 2


@pytest.mark.parametrize(("quota", "count"), [(2.0, 2), (2.5, 3), (0.1, 1), (64.0, 16), (math.inf, 16)])
def test_the_quota_limits_the_cores(monkeypatch, quota, count):
    monkeypatch.setattr(cores, "cpu_quota", lambda: quota)
    assert allowed_cores() == core_count() == count


V1 = "31 23 0:28 {top} /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct"
V2 = "38 31 0:35 {top} /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate"
OTHER = "36 31 0:33 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset"


def machine(root, groups, mounts, files):
    """A system's files below ``root``."""
    files = {"proc/self/cgroup": groups, "proc/self/mountinfo": "\n".join(mounts) + "\n"} | files
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def cpu(group, quota, period=100000):
    """Version 1's files."""
    folder = f"sys/fs/cgroup/cpu,cpuacct{group}"
    return {f"{folder}/cpu.cfs_quota_us": f"{quota}\n", f"{folder}/cpu.cfs_period_us": f"{period}\n"}


CASES = {
    "version 2, in a container": ("0::/\n", [V2.format(top="/")], {"sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
    "version 2, none": ("0::/\n", [V2.format(top="/")], {"sys/fs/cgroup/cpu.max": "max 100000\n"}, math.inf),
    "version 2, of a group around": (
        "0::/a.slice/b.scope\n",
        [V2.format(top="/")],
        {"sys/fs/cgroup/a.slice/cpu.max": "150000 100000\n", "sys/fs/cgroup/a.slice/b.scope/cpu.max": "max 100000\n"},
        1.5,
    ),
    "version 1": ("3:cpuset:/\n4:cpu,cpuacct:/user\n", [OTHER, V1.format(top="/")], cpu("/user", 50000), 0.5),
    "version 1, none": ("4:cpu,cpuacct:/user\n", [V1.format(top="/")], cpu("/user", -1), math.inf),
    "version 1, in a container": ("4:cpu,cpuacct:/docker/1f\n", [V1.format(top="/docker/1f")], cpu("", 300000), 3),
    "version 1, the host's path seen from inside": (
        "4:cpu,cpuacct:/docker/1f\n", [V1.format(top="/")], cpu("", 400000), 4
    ),
    "both at once": (
        "4:cpu,cpuacct:/\n0::/\n", [V1.format(top="/"), V2.format(top="/").replace("/cgroup ", "/cgroup/unified ")],
        cpu("", 200000, 50000), 4,
    ),
    "neither": ("3:cpuset:/\n", [OTHER], {}, math.inf),
    "damaged": ("0::/\n", [V2.format(top="/")], {"sys/fs/cgroup/cpu.max": "\n"}, math.inf),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_quota_of_control_groups(tmp_path, case):
    groups, mounts, files, quota = CASES[case]
    assert cpu_quota(machine(tmp_path, groups, mounts, files)) == quota


def test_without_proc_there_is_no_quota(tmp_path):
    assert cpu_quota(tmp_path) == math.inf


def test_this_machine_has_a_core():
    assert 1 <= allowed_cores() <= 16
