"""Whether mpiexec or srun has started this program as one of several ranks, and what a script does then.

Rank 0 runs the script: it alone parses, prints and writes. The others wait for what it asks of them, and end with it.
So every command works under a launcher, and a fault is told once.
"""

import os
import sys
import traceback
from collections.abc import Callable
from functools import partial

from tinygan import errors
from tinygan.signals import ignore_ends
from tinygan.text import how_to_install

# The variables in which a launcher says how many ranks there are, and which one this is.
LAUNCHERS = {
    "mpiexec": ("PMI_SIZE", "PMI_RANK"),  # of MPICH, Intel MPI and others
    "Open MPI's mpiexec": ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    "srun": ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"),
}


def launched() -> tuple[str, int, int]:
    """Launcher, number of ranks, and this one's; ("", 1, 0) for a program that was started by itself."""
    for launcher, names in LAUNCHERS.items():
        values = [os.environ.get(name, "") for name in names]
        if all(value.isascii() and value.isdigit() for value in values):
            return launcher, *map(int, values)
    return "", 1, 0


def run_script(main: Callable[[list[str]], None], arguments: list[str]) -> int:
    """:func:`tinygan.errors.run_script`; of several ranks the first runs ``main`` and the others serve it.

    A rank that fails while others wait for it ends them all: they could not go on, and would never learn of it.
    """
    launcher, size, rank = launched()
    if size == 1:
        return errors.run_script(main, arguments)
    if rank:
        ignore_ends()  # the first rank finishes the iteration, saves, and then ends the others
    started = f"{launcher} has started {size} ranks"
    try:
        from tinygan.runtime import mpi, ranks
    except (ImportError, RuntimeError) as error:  # no mpi4py, or no MPI that it could load
        remedy = f"{how_to_install('mpi')}, or start one process without it"
        return _refuse(f"{started}, which need mpi4py and MPI ({error}): {remedy}", rank)
    if mpi.size != size:
        remedy = "start them with the mpiexec of the MPI that mpi4py uses, or with srun --mpi=pmi2"
        return _refuse(f"{started}, but mpi4py's MPI ({mpi.LIBRARY}) knows of {mpi.size}: {remedy}", rank)
    try:
        exit_code = errors.run_script(ranks.serve if rank else partial(ranks.lead, main), arguments)
    except SystemExit:  # of --help, which has told the others
        raise
    except BaseException:  # a defect: shown whole, and nobody waits for this rank any more
        traceback.print_exc()
        mpi.abort(1)
    if ranks.awaited():
        mpi.abort(exit_code)
    return exit_code


def _refuse(line: str, rank: int) -> int:
    """The first rank says why none of them starts."""

    def refuse(_: list[str]) -> None:
        raise errors.TinyganError(line)

    return errors.run_script(refuse, sys.argv[1:]) if rank == 0 else 1
