"""Where the processes that work together wait for each other, and exchange what all of them need.

The same function runs in every process (a *rank*), each on its shard of a batch. Where it needs what the others have,
it calls a collective. In a process that works alone all of them return at once, so the code that calls them reads the
same for one process and for many. Two engines carry them out: forked processes with shared memory (`sharedmemory.py`,
started by `workers.py`), and MPI (`mpi.py`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np

from tinygan.runtime.recording import whole

_current: Any = None  # one of the engines


@contextmanager
def joined(collective: Any) -> Iterator[None]:
    """Within it this process is a rank of ``collective``."""
    global _current
    _current = collective
    try:
        yield
    finally:
        _current = None


def size() -> int:
    """How many ranks there are; 1 in a process that works alone."""
    return _current.size if _current else 1


def rank() -> int:
    """Which rank this process is, 0 … size − 1."""
    return _current.rank if _current else 0


def place() -> int:
    """Which of the arrays that lie side by side for all ranks is this one's; 0 where each has memory of its own."""
    return _current.place if _current else 0


def barrier() -> None:
    """Until all ranks have come to this point; what they wrote into shared arrays before is there after it."""
    if _current:
        _current.barrier()


def all_gather(values: np.ndarray) -> np.ndarray:
    """What each rank gives, a float vector (n,) of the same length: float64 (size, n), in the order of the ranks.

    The same for all, and so is whatever each of them computes from it.
    """
    return whole(_current.all_gather, values) if _current else values.astype(np.float64)[np.newaxis]


def all_reduce(*vectors: np.ndarray) -> tuple[np.ndarray, ...]:
    """Each vector (n,) summed over all processes, in the order of their ranks."""
    if size() == 1:
        return vectors
    total = all_gather(np.concatenate(vectors)).sum(axis=0).astype(vectors[0].dtype)
    return tuple(np.split(total, len(vectors)))


def moments(mean: np.ndarray, var: np.ndarray, M: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Mean and variance (C,) of all processes' values together, and their number, from those of this one's M values.

    With mₖ, vₖ, Mₖ of rank k: mean = Σ Mₖ·mₖ/M, var = Σ Mₖ·(vₖ + (mₖ − mean)²)/M, M = Σ Mₖ.
    """
    if size() == 1:
        return mean, var, M
    given = all_gather(np.concatenate([mean, var, [M]]))
    means, variances = np.split(given[:, :-1], 2, axis=1)
    counts = given[:, -1]
    M = counts.sum()
    whole = counts @ means / M
    return whole.astype(mean.dtype), (counts @ (variances + (means - whole) ** 2) / M).astype(var.dtype), int(M)


def own_parts(vectors: list[np.ndarray]) -> list[np.ndarray]:
    """What all ranks have of this rank's part of a vector (P,), in the order of the ranks, to be added up.

    Args:
        vectors: those of all ranks where they share memory, else this rank's own. The first result lies in the first.
    """
    return _current.own_parts(vectors) if _current else vectors[:1]


def share_parts(vector: np.ndarray) -> None:
    """Each rank has changed its own part of the vector (P,): now all have all of it."""
    if _current:
        _current.share_parts(vector)


def own_part(count: int) -> slice:
    """This rank's part of ``count`` things that are split evenly."""
    return split_evenly(count, size())[rank()]


def split_evenly(count: int, parts: int) -> list[slice]:
    """``count`` things in as many parts, whose sizes differ by 1 at most.

    >>> split_evenly(5, 2)
    [slice(0, 2, None), slice(2, 5, None)]
    """
    edges = [count * k // parts for k in range(parts + 1)]
    return [slice(first, last) for first, last in pairwise(edges)]
