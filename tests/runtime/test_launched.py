"""Which programs are ranks, and what a rank takes of its machine."""

import pytest

from tinygan.runtime import cores, launched

NAMES = [name for names in launched.LAUNCHERS.values() for name in names]


@pytest.fixture
def environment(monkeypatch):
    """A function that sets these of the launchers' variables, and no others."""

    def set_to(values):
        for name in NAMES:
            monkeypatch.delenv(name, raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    return set_to


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({}, (1, 0)),
        ({"PMI_SIZE": "4", "PMI_RANK": "3"}, (4, 3)),
        ({"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"}, (2, 1)),
        ({"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "5"}, (8, 5)),
        # The script of a batch job, which starts srun itself.
        ({"SLURM_NTASKS": "8", "SLURM_PROCID": "0"}, (1, 0)),
        # mpiexec within a step of one task.
        ({"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0", "PMI_SIZE": "4", "PMI_RANK": "2"}, (4, 2)),
        ({"PMI_SIZE": "four", "PMI_RANK": "2"}, (1, 0)),
    ],
)
def test_launchers_are_known_by_their_variables(environment, values, found):
    environment(values)
    assert launched.launched()[1:] == found


def test_a_single_rank_is_the_ordinary_program(environment):
    environment({"PMI_SIZE": "1", "PMI_RANK": "0"})
    seen = []
    assert launched.run_script(seen.append, ["--help"]) == 0
    assert seen == [["--help"]]


@pytest.mark.parametrize(
    ("sharers", "threads", "count"), [(1, "", 8), (2, "", 4), (3, "", 2), (16, "", 1), (2, "3", 3)]
)
def test_cores_are_shared_and_what_is_asked_for_is_a_ranks_own(monkeypatch, sharers, threads, count):
    monkeypatch.setattr(cores, "allowed_cores", lambda: 8)
    monkeypatch.setattr(cores, "sharers", sharers)
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    assert cores.core_count() == count
