"""All ranks as one group: the first one leads, and each of its requests goes out to all as one broadcast.

What :mod:`tinygan.runtime.workers` is for forked processes, with :mod:`tinygan.runtime.mpi` instead of shared memory.
"""

import os
import pickle
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygan.errors import TinyganError, UsageError
from tinygan.runtime import mpi
from tinygan.runtime.collectives import joined
from tinygan.runtime.mpi import begin, wait, world
from tinygan.runtime.workers import outcome

HEADER = 1024  # bytes of a request that travel at once; an iteration's is shorter
NAP = 0.0005  # seconds between two polls for a request, where none has come for a while

_awaited = False  # whether others wait for this rank in a collective


def awaited() -> bool:
    """Whether others wait for this rank, so that they have to be ended if it ends."""
    return _awaited


class RankGroup:
    """All ranks, as the first sees them; the counterpart of :class:`tinygan.runtime.workers.WorkerGroup`."""

    size, rank = mpi.size, mpi.rank

    def __init__(self) -> None:
        if mpi.local_rank is None:
            raise UsageError("ranks are for tinygan's scripts: start a program of your own without mpiexec or srun")
        self.context: Any = None  # first argument of the functions of run(), which each rank has made of its own
        self.own: Any = None  # whatever else a rank keeps for the functions that get the group itself
        self.collective: Any = mpi  # the engine of together()
        self.local_rank = mpi.local_rank  # which of the ranks on its machine this one is

    def spread(self, vector: np.ndarray) -> None:
        """Give all ranks the first one's values, within :meth:`together`."""
        wait(world.Ibcast(vector))

    def together(self, function: Callable, *arguments: Any) -> Any:
        """``function(group, *arguments)`` in all ranks, which may call collectives; this rank's result."""
        with _others_wait():
            _broadcast((_together, function, arguments))
            return _together(self, function, arguments)

    def run(self, function: Callable, arguments: Sequence[tuple]) -> list:
        """``function(context, *arguments[k])`` in rank k, as :meth:`ask`."""
        return self.ask(_on_context, [(function, *given) for given in arguments])

    def ask(self, function: Callable, arguments: Sequence[tuple]) -> list:
        """``function(group, *arguments[k])`` in rank k, without collectives; the results in order.

        There may be fewer tuples than ranks. Raises what ``function`` raised here, TinyganError for another rank's.
        """
        with _others_wait():
            _broadcast((_answer, function, arguments))
            answers = [outcome(function, self, *arguments[0])]
            answers += [_receive(rank) for rank in range(1, len(arguments))]
        for _, error in answers:
            if error:
                raise error
        return [result for result, _ in answers]


def lead(main: Callable[[list[str]], None], arguments: list[str]) -> None:
    """``main`` in the first rank. When it is done, or has failed while nobody waits for it, the others end too."""
    with _others_wait():
        begin()
    try:
        main(arguments)
    finally:
        if not _awaited:
            mpi.leaving = True
            _broadcast(None)


def serve(_: list[str]) -> None:
    """What all ranks but the first do: carry out its requests, until there are no more."""
    with _others_wait():
        begin()
    group = RankGroup()
    with np.errstate(all="ignore"):
        while True:
            request = _broadcast()
            if request is None:
                mpi.leaving = True
                return
            work, *what = request
            try:
                with _others_wait():
                    work(group, *what)
            except (TinyganError, OSError, MemoryError) as error:
                raise _named(error) from error


def _together(group: RankGroup, function: Callable, arguments: tuple) -> Any:
    with joined(group.collective):
        return function(group, *arguments)


def _on_context(group: RankGroup, function: Callable, *arguments: Any) -> Any:
    return function(group.context, *arguments)


def _answer(group: RankGroup, function: Callable, arguments: Sequence[tuple]) -> None:
    """Another rank's part of :meth:`RankGroup.ask`."""
    if mpi.rank < len(arguments):
        result, error = outcome(function, group, *arguments[mpi.rank])
        wait(world.isend((result, error and _named(error)), 0))


def _named(error: Exception) -> TinyganError:
    """What went wrong, and where."""
    what = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
    if isinstance(error, MemoryError):
        what = "not enough memory: start fewer ranks there, or give a smaller --batch-size"
    return TinyganError(f"rank {mpi.rank} on {socket.gethostname()}: {what}")


def _receive(rank: int) -> Any:
    while not world.Iprobe(rank):
        os.sched_yield()
    return world.recv(source=rank)


@contextmanager
def _others_wait() -> Iterator[None]:
    """Within it others wait for this rank; an exception leaves it so."""
    global _awaited
    _awaited = True
    yield
    _awaited = False


def _broadcast(request: Any = None) -> Any:
    """From the first rank to all: a header of fixed length, and what does not fit in as a second message."""
    head, content = np.zeros(HEADER, np.uint8), b""
    if mpi.rank == 0:
        content = pickle.dumps(request)
        head[:8] = np.frombuffer(len(content).to_bytes(8, "little"), np.uint8)
        head[8 : 8 + len(content)] = np.frombuffer(content[: HEADER - 8], np.uint8)
    wait(world.Ibcast(head), NAP)
    length = int.from_bytes(head[:8].tobytes(), "little")
    if length <= HEADER - 8:
        return pickle.loads(head[8 : 8 + length])
    body = np.frombuffer(content, np.uint8) if content else np.empty(length, np.uint8)
    wait(world.Ibcast(body))
    return pickle.loads(body)
