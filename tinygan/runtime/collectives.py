"""Where the processes that work together wait for each other, and exchange what all of them need.

The same function runs in every process (a *rank*), each on its shard of a batch. Where it needs what the others have,
it calls a collective. In a process that works alone all of them return at once, so the code that calls them reads the
same for one process and for many. Three engines carry them out: forked processes with shared memory
(`sharedmemory.py`, started by `workers.py`), MPI (`mpi.py`), and NCCL between GPUs (`nccl.py`), for device arrays.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np

from tinygan.array import Array, array_module
from tinygan.runtime.recording import whole

ALIGNED = 64  # values, 256 bytes of float32: GPUs move aligned memory faster


class _Here(threading.local):
    engine: Any = None  # one of the three, for the thread that trains: another may use a network of its own meanwhile


_here = _Here()


@contextmanager
def joined(collective: Any) -> Iterator[None]:
    """Within it this thread takes part in ``collective`` for its process, as one of the ranks."""
    _here.engine = collective
    try:
        yield
    finally:
        _here.engine = None


def size() -> int:
    """How many ranks there are; 1 in a process that works alone."""
    return _here.engine.size if _here.engine else 1


def rank() -> int:
    """Which rank this process is, 0 … size − 1."""
    return _here.engine.rank if _here.engine else 0


def place() -> int:
    """Which of the arrays that lie side by side for all ranks is this one's; 0 where each has memory of its own."""
    return _here.engine.place if _here.engine else 0


def all_gather(values: Array) -> Array:
    """What each rank gives, a float vector (n,) of one length for all: (size, n), in the order of the ranks.

    Host arrays become float64. All ranks get the same bits, and so compute the same from them.
    """
    return whole(_here.engine.all_gather, values) if _here.engine else values.astype(np.float64)[np.newaxis]


def all_reduce(*arrays: Array) -> tuple[Array, ...]:
    """Each array summed over all processes, in the order of their ranks; all arrays of one shape."""
    if size() == 1:
        return arrays
    xp = array_module(arrays[0])
    total = all_gather(xp.concatenate([array.reshape(-1) for array in arrays])).sum(axis=0).astype(arrays[0].dtype)
    return tuple(total[part].reshape(arrays[0].shape) for part in split_evenly(len(total), len(arrays)))


def moments(mean: Array, var: Array, M: int) -> tuple[Array, Array, int]:
    """Mean and variance (C,) of all processes' values together, and their number, from those of this one's M values.

    With mₖ, vₖ, Mₖ of rank k: mean = Σ Mₖ·mₖ/M, var = Σ Mₖ·(vₖ + (mₖ − mean)²)/M, M = Σ Mₖ.
    """
    if size() == 1:
        return mean, var, M
    xp, C = array_module(mean), len(mean)
    given = all_gather(xp.concatenate([mean, var, xp.full(1, M, mean.dtype)]))
    means, variances, counts = given[:, :C], given[:, C:-1], given[:, -1:]
    # The host needs M as a number, and does not see what a device is about to gather.
    M = int((counts if xp is np else all_gather(np.array([float(M)]))).sum())
    centre = (counts * means).sum(axis=0) / M
    spread = (counts * (variances + (means - centre) ** 2)).sum(axis=0) / M
    return centre.astype(mean.dtype), spread.astype(var.dtype), M


def own_parts(vectors: list[Array]) -> list[Array]:
    """This rank's part of the vectors (P,) of all ranks, in their order, for the caller to add up into the first.

    An engine that adds them up itself returns their sum alone. ``vectors`` are those of all ranks where they share
    memory, else this rank's own; the first result is a view of the first.
    """
    return _here.engine.own_parts(vectors) if _here.engine else vectors[:1]


def share_parts(vector: Array) -> None:
    """Give all ranks the whole vector (P,), of which each has changed its own part."""
    if _here.engine:
        _here.engine.share_parts(vector)


def own_part(count: int) -> slice:
    """This rank's part of a vector of ``count`` values."""
    return split_vector(count, size())[rank()]


def split_vector(count: int, parts: int) -> list[slice]:
    """``count`` values in parts of one length, as NCCL wants them; the last one also has what is left over.

    >>> split_vector(200, 3)
    [slice(0, 64, None), slice(64, 128, None), slice(128, 200, None)]
    """
    each = count // parts // ALIGNED * ALIGNED or count // parts
    return [slice(each * k, each * (k + 1) if k < parts - 1 else count) for k in range(parts)]


def split_evenly(count: int, parts: int) -> list[slice]:
    """``count`` things in parts whose sizes differ by 1 at most.

    >>> split_evenly(5, 2)
    [slice(0, 2, None), slice(2, 5, None)]
    """
    edges = [count * k // parts for k in range(parts + 1)]
    return [slice(first, last) for first, last in pairwise(edges)]
