"""The stand-in for ``cupy.cuda.nccl``: ranks are processes, which exchange their arrays through files.

It checks what NCCL would crash or hang on: pointers, counts, types and the stream of each call; that arrays overlap
only as NCCL allows; that all ranks make the same calls in the same order; that no communicator is destroyed while a
graph holds calls for it. Within a group nothing is done before its end. Sums are taken from the last rank to the first:
NCCL promises no order.
"""

import os
import pickle
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.fakecuda import Node

ID_BYTES = 128
PATIENCE = 20.0  # seconds


class NcclError(RuntimeError):
    """``cupy.cuda.nccl.NcclError``."""


class Nccl:
    """The module, of one process.

    Attributes:
        communicators: all that were made.
    """

    available, NCCL_SUM, NCCL_FLOAT32, NCCL_FLOAT64 = True, 0, 7, 8
    NcclError = NcclError

    def __init__(self, device):
        self.device, self.communicators = device, []
        self._group: list[Node] | None = None

    def get_unique_id(self) -> bytes:
        return tempfile.mkdtemp(prefix="tinygan-nccl-").encode().ljust(ID_BYTES, b"\0")

    def NcclCommunicator(self, ndev: int, commId: bytes, rank: int) -> "Communicator":
        self.communicators.append(Communicator(self, ndev, commId, rank))
        return self.communicators[-1]

    def groupStart(self) -> None:
        assert self._group is None, "a group in a group"
        self._group = []

    def groupEnd(self) -> None:
        assert self._group, "a group without calls, or without a beginning"
        nodes, self._group = self._group, None
        for node in nodes:
            self.device.submit(node)

    def submit(self, node: Node) -> None:
        if self._group is None:
            self.device.submit(node)
        else:
            self._group.append(node)


class Communicator:
    """``NcclCommunicator``."""

    def __init__(self, nccl: Nccl, size: int, unique_id: bytes, rank: int):
        assert len(unique_id) == ID_BYTES
        assert 0 <= rank < size
        assert nccl.device.current.capture is None, "a communicator made during a capture"
        self.nccl, self.device, self.size, self.rank = nccl, nccl.device, size, rank
        self._folder, self._count, self.alive = Path(unique_id.rstrip(b"\0").decode()), 0, True
        nccl.device.prompt |= size > 1  # the device gets on while its host waits for another rank
        self._exchange(("init", size), b"")

    def destroy(self) -> None:
        for graph in self.device.graphs.values():
            held = any(node.communicator is self for node in graph.nodes)
            assert not held, "a communicator was destroyed while a graph holds its calls: NCCL hangs"
        self.alive = False

    def allGather(self, sendbuf, recvbuf, count, datatype, stream) -> None:
        def gather(mine: np.ndarray, out: np.ndarray, given: list[np.ndarray]) -> None:
            out[:] = np.concatenate(given)

        self._call("allGather", (sendbuf, count), (recvbuf, count * self.size), datatype, stream, gather)

    def reduceScatter(self, sendbuf, recvbuf, recvcount, datatype, op, stream) -> None:
        def scatter(mine: np.ndarray, out: np.ndarray, given: list[np.ndarray]) -> None:
            out[:] = total(given).reshape(self.size, recvcount)[self.rank]

        sent, received = (sendbuf, recvcount * self.size), (recvbuf, recvcount)
        self._call("reduceScatter", sent, received, datatype, stream, scatter, op)

    def reduce(self, sendbuf, recvbuf, count, datatype, op, root, stream) -> None:
        def reduce(mine: np.ndarray, out: np.ndarray, given: list[np.ndarray]) -> None:
            if self.rank == root:
                out[:] = total(given)

        self._call("reduce", (sendbuf, count), (recvbuf, count), datatype, stream, reduce, op, root)

    def broadcast(self, sendbuf, recvbuf, count, datatype, root, stream) -> None:
        def send(mine: np.ndarray, out: np.ndarray, given: list[np.ndarray]) -> None:
            out[:] = given[root]

        self._call("broadcast", (sendbuf, count), (recvbuf, count), datatype, stream, send, root)

    def _call(
        self, name: str, sent: tuple[int, int], received: tuple[int, int], datatype: int, stream: int,
        finish: Callable, *agreed: int,
    ) -> None:  # fmt: skip
        """Check a call, and have the device carry it out: ``finish(mine, out, what all ranks have sent)``."""
        assert self.alive, f"{name}: the communicator was destroyed"
        assert stream == self.device.current.ptr, f"{name}: the stream is not the training's"
        assert stream != 0, f"{name}: the default stream cannot be captured"
        dtype = {7: np.dtype(np.float32), 8: np.dtype(np.float64)}[datatype]
        mine, out = (self._array(name, *one, dtype) for one in (sent, received))
        blocks = [self.device.memory.at(pointer) for pointer, _ in (sent, received)]
        if np.may_share_memory(mine, out):
            own = self.rank * min(mine.nbytes, out.nbytes)  # where this rank's part begins in the longer array
            allowed = {"reduceScatter": received[0] == sent[0] + own, "allGather": sent[0] == received[0] + own}
            assert allowed.get(name, sent == received), f"{name}: the arrays overlap elsewhere"

        def run() -> None:
            for (pointer, _), array, block in zip((sent, received), (mine, out), blocks, strict=True):
                assert pointer + array.nbytes <= block.pointer + block.asked, f"{name}: more than the array has"
            given = self._exchange((name, datatype, sent[1], received[1], *agreed), mine.tobytes())
            finish(mine, out, [np.frombuffer(one, dtype) for one in given])
            for block in blocks:
                block.check()

        arrays = tuple(((array.size,), array.nbytes) for array in (mine, out))
        self.nccl.submit(Node("nccl", name, run, arrays, communicator=self))

    def _array(self, name: str, pointer: int, count: int, dtype: np.dtype) -> np.ndarray:
        """The device's memory from ``pointer`` on."""
        block = self.device.memory.at(pointer)
        start, nbytes = pointer - block.pointer, count * dtype.itemsize
        assert count > 0, f"{name}: no values"
        assert start % dtype.itemsize == 0, f"{name}: an address between two values"
        assert start + nbytes <= block.size, f"{name}: more than the array has"
        return block.bytes[start : start + nbytes].view(dtype)

    def _exchange(self, call: tuple, data: bytes) -> list[bytes]:
        """What each rank sends with its n-th call, which must be the same call in all of them."""
        number, self._count = self._count, self._count + 1
        file = self._folder / f"{number}-{self.rank}"
        file.with_suffix(".part").write_bytes(pickle.dumps((call, data)))
        os.replace(file.with_suffix(".part"), file)
        found, until = [], time.monotonic() + PATIENCE
        for rank in range(self.size):
            other = self._folder / f"{number}-{rank}"
            while not other.exists():
                assert time.monotonic() < until, f"rank {self.rank} waits for rank {rank} in {call}"
                time.sleep(0.0002)
            theirs, sent = pickle.loads(other.read_bytes())
            assert theirs == call, f"call {number}: rank {self.rank} makes {call}, rank {rank} {theirs}"
            found.append(sent)
        # All are here, so all have read what was sent before.
        (self._folder / f"{number - 1}-{self.rank}").unlink(missing_ok=True)
        return found


def total(given: list[np.ndarray]) -> np.ndarray:
    return sum(reversed(given[:-1]), given[-1].copy())
