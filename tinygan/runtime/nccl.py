"""Ranks with a GPU each: NCCL moves device arrays between them, on the training's stream and as part of its graph.

Host arrays still go by MPI. Every call is made by all ranks in the same order, with the same counts. The order of a sum
is NCCL's own, and does not change for one number of ranks on the same machines.
"""

import importlib
import socket
from types import ModuleType
from typing import Any

import numpy as np

from tinygan.array import Array
from tinygan.errors import TinyganError, UsageError
from tinygan.runtime.collectives import split_vector


def load_library() -> ModuleType:
    """CuPy's binding of NCCL; TinyganError if there is no NCCL that it could load."""
    library = importlib.import_module("cupy.cuda.nccl")
    if not library.available:
        raise TinyganError(
            "several GPUs need NCCL: pip install nvidia-nccl-cu13, with CUDA 12 nvidia-nccl-cu12, or start one process"
        )
    return library


def take_gpu(number: int) -> str:
    """Make this GPU of the machine the current one; returns the machine's name and the GPU's place in it.

    A launcher may let each rank see one GPU only, which is its 0: so numbers wrap around.
    """
    import cupy

    device = cupy.cuda.Device(number % max(1, cupy.cuda.runtime.getDeviceCount()))
    device.use()
    return f"{socket.gethostname()} {cupy.cuda.runtime.deviceGetPCIBusId(device.id)}"


def refuse_shared_gpus(places: list[str]) -> None:
    """UsageError if two ranks have taken one GPU, by what :func:`take_gpu` returned to each."""
    for rank, place in enumerate(places):
        other = places.index(place)
        if other != rank:
            raise UsageError(
                f"ranks {other} and {rank} would share a GPU of {place.split()[0]}: start at most as many ranks on a "
                "machine as it has GPUs, or give --device cpu"
            )


class Collective:
    """What :mod:`tinygan.runtime.collectives` asks of an engine: device arrays by NCCL, host arrays by ``host``.

    All ranks make theirs at once, each with its GPU as the current device. ``host`` also has rank and size;
    ``unique_id`` is one rank's ``load_library().get_unique_id()``. Raises TinyganError if NCCL does not connect them.
    """

    def __init__(self, xp: ModuleType, host: Any, unique_id: Any):
        self.size, self.rank, self.place = host.size, host.rank, 0
        self._xp, self.host, self._nccl = xp, host, load_library()
        self._types = {"float32": self._nccl.NCCL_FLOAT32, "float64": self._nccl.NCCL_FLOAT64}
        try:
            self._communicator = self._nccl.NcclCommunicator(self.size, unique_id, self.rank)
        except self._nccl.NcclError as error:
            raise TinyganError(f"NCCL does not connect the GPUs ({error}): NCCL_DEBUG=WARN makes it say why") from error

    def all_gather(self, values: Array) -> Array:
        """What each gives, (size, n); of device arrays as their own type."""
        if isinstance(values, np.ndarray):
            return self.host.all_gather(values)
        given = self._xp.empty((self.size, values.size), values.dtype)
        self._communicator.allGather(values.data.ptr, given.data.ptr, values.size, *self._how(values))
        return given

    def own_parts(self, vectors: list[Array]) -> list[Array]:
        """The sum of all ranks' parts, in place; the rest of the vector becomes 0."""
        (vector,) = vectors
        own, each, rest = self._layout(vector)
        kind, stream = self._how(vector)
        how = kind, self._nccl.NCCL_SUM
        self._nccl.groupStart()
        self._communicator.reduceScatter(vector.data.ptr, vector[own].data.ptr, each, *how, stream)
        if rest:
            last = vector[-rest:].data.ptr
            self._communicator.reduce(last, last, rest, *how, self.size - 1, stream)
        self._nccl.groupEnd()
        for others in slice(0, own.start), slice(own.stop, vector.size):
            if others.stop > others.start:
                vector[others].fill(0)
        return [vector[own]]

    def share_parts(self, vector: Array) -> None:
        """Each rank gives its part to all others."""
        own, each, rest = self._layout(vector)
        kind, stream = self._how(vector)
        self._nccl.groupStart()
        self._communicator.allGather(vector[own].data.ptr, vector.data.ptr, each, kind, stream)
        if rest:
            last = vector[-rest:].data.ptr
            self._communicator.broadcast(last, last, rest, kind, self.size - 1, stream)
        self._nccl.groupEnd()

    def close(self) -> None:
        """Leave the group, in all ranks, once no graph holds a call any more: NCCL would wait for ever."""
        self._communicator.destroy()

    def _layout(self, vector: Array) -> tuple[slice, int, int]:
        """This rank's part, how many values NCCL gives each rank, and how many are left at the end for the last one."""
        parts = split_vector(vector.size, self.size)
        each = parts[0].stop
        return parts[self.rank], each, vector.size - each * self.size

    def _how(self, array: Array) -> tuple[int, int]:
        return self._types[array.dtype.name], self._xp.cuda.get_current_stream().ptr
