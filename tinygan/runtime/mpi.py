"""Ranks started by mpiexec or srun, on one machine or many: MPI carries what they exchange.

Waiting is polling that yields the core in between: ranks may share cores, and MPI's own waiting does not yield. Sums
are taken by each rank in the order of the ranks, not by MPI, so the same number of ranks gives the same bits.

Importing this module starts MPI; it is itself the engine that :mod:`tinygan.runtime.collectives` asks.
"""

import os
import select
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import NoReturn

import mpi4py
import numpy as np

from tinygan.runtime import cores, threads
from tinygan.runtime.collectives import split_vector
from tinygan.runtime.recording import whole
from tinygan.text import say

mpi4py.rc.thread_level = "funneled"  # only a program's first thread calls MPI

from mpi4py import MPI  # noqa: E402

POLLS = 2000  # after which an idle rank sleeps between two
LAST_WORDS = 1.0  # seconds that a launcher gets to pass on what a rank has written
WATCH = 1.0  # seconds between two looks at whether the launcher is still there

LIBRARY = MPI.Get_library_version().split("\n")[0].strip("\0").replace("\t", " ")  # its name and version
world = MPI.COMM_WORLD
size, rank, place = world.size, world.rank, 0
leaving = False  # whether this rank knows that all are about to end
local_rank: int | None = None  # which of the ranks on its machine this one is; begin() finds out


def abort(exit_code: int) -> NoReturn:
    """End all ranks, once the launcher has had time to pass on what this one has written: it drops the rest."""
    time.sleep(LAST_WORDS)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # MPI's own message about it: all has been said
    world.Abort(exit_code)
    os._exit(exit_code)


def all_gather(values: np.ndarray) -> np.ndarray:
    """What each gives, float64 (size, n)."""
    given = np.empty((size, values.size))
    wait(world.Iallgather(np.ascontiguousarray(values, np.float64), given))
    return given


def own_parts(vectors: list[np.ndarray]) -> list[np.ndarray]:
    """Each rank sends everybody their part of its vector, which becomes 0 except for what is to be added up."""
    (vector,) = vectors
    part = vector[split_vector(vector.size, size)[rank]]
    received = np.empty((size, part.size), vector.dtype)
    whole(_exchange, vector, received)
    vector[...] = 0
    part[...] = received[0]
    return [part, *received[1:]]


def share_parts(vector: np.ndarray) -> None:
    """Each rank sends its part to all others."""
    whole(_spread, vector)


def _exchange(vector: np.ndarray, received: np.ndarray) -> None:
    own = received.shape[1]
    here = [own] * size, [own * k for k in range(size)]
    wait(world.Ialltoallv([vector, _layout(vector)], [received, here]))


def _spread(vector: np.ndarray) -> None:
    wait(world.Iallgatherv(MPI.IN_PLACE, [vector, _layout(vector)]))


def _layout(vector: np.ndarray) -> tuple[list[int], list[int]]:
    parts = split_vector(vector.size, size)
    return [part.stop - part.start for part in parts], [part.start for part in parts]


def wait(request: MPI.Request, nap: float = 0.0) -> None:
    """Until it is done; with ``nap``, after a while sleeping that many seconds between two polls."""
    polls = 0
    while not request.Test():
        polls += 1
        if nap and polls > POLLS:
            time.sleep(nap)
        else:
            os.sched_yield()


def begin() -> None:
    """A rank's first act: find its place and its share of the cores, and arrange to end with its launcher."""
    global local_rank
    node = world.Split_type(MPI.COMM_TYPE_SHARED)
    local_rank = node.rank
    own = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}  # macOS: all cores are everybody's
    cores.sharers = sum(bool(own & other) for other in node.allgather(own))
    watched = os.getppid(), _neighbours(node)
    node.Free()
    with threads.thread_started():
        threading.Thread(target=_watch, args=watched, name="launcher", daemon=True).start()


def _neighbours(node: MPI.Comm) -> dict[int, int]:
    """For each other rank of the machine, a descriptor that tells when it has ended -> its number. On Linux only."""
    room = os.readlink("/proc/self/ns/pid") if hasattr(os, "pidfd_open") else ""
    found = {}
    for other, pid, number in node.allgather((room, os.getpid(), rank)):
        if other == room and room and number != rank:  # in another container the id is another process's
            with suppress(OSError):  # the system call is refused
                found[os.pidfd_open(pid)] = number
    return found


def _watch(launcher: int, others: dict[int, int]) -> None:
    """End this rank with its launcher, and all ranks with one that was killed: not every launcher does that.

    The first rank that is left on the machine reports it.
    """
    ends = select.poll()
    for descriptor in others:
        ends.register(descriptor, select.POLLIN)
    while os.getppid() == launcher:
        ended = [others[descriptor] for descriptor, _ in ends.poll(1000 * WATCH)]
        if ended:
            time.sleep(LAST_WORDS)  # in which a launcher that ends the others does so
            if leaving:
                return
            left = set(others.values()) - {others[descriptor] for descriptor, _ in ends.poll(0)}
            if rank < min(left, default=size):
                name = f"rank {min(ended)} on {socket.gethostname()}"
                say(f"error: {name} ended without a word, and so do the others", file=sys.stderr)
            else:
                time.sleep(LAST_WORDS)
            abort(1)
    os._exit(1)
