"""The same batches on a GPU: gathered on it if the set lives in its memory, else streamed to it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from tinygan.array import Array
from tinygan.data.batches import BatchSource
from tinygan.device import Backend

SHARE = 0.5  # of the free memory that the set may take: the networks still need theirs
UPLOAD_BYTES = 64 << 20


def open_source(backend: Backend, *arguments: Any, **keywords: Any) -> BatchSource:
    """:class:`BatchSource` for a device; a GPU keeps the whole set if it takes at most half of its free memory."""
    if backend.device == "cpu":
        return BatchSource(*arguments, **keywords)
    fits = arguments[0].nbytes <= SHARE * backend.free_memory()
    return (ResidentSource if fits else StreamedSource)(backend, *arguments, **keywords)


class ResidentSource(BatchSource):
    """The whole set on the device; only a batch's plan, some numbers per image, travels."""

    def __init__(self, backend: Backend, *arguments: Any, **keywords: Any):
        super().__init__(*arguments, **keywords)
        self._xp = backend.xp
        self.pixels = self._xp.empty(self.images.shape, np.uint8)  # (N, H, W, 3)
        step = max(1, UPLOAD_BYTES // self.images[0].nbytes)
        for start in range(0, len(self.images), step):  # in parts: a mapped set is never held whole in host memory
            self.pixels[start : start + step] = self._xp.asarray(
                np.ascontiguousarray(self.images[start : start + step])
            )

    def batch(self, iteration: int) -> Array:
        """The images of iteration 1, 2, …, uint8 (B, *size, 3), on the device."""
        plan, (height, width) = self.plan(iteration), self.size
        columns = np.where(plan.flip[:, None], np.arange(width)[::-1], np.arange(width))
        where = (
            plan.rows[:, None, None],
            (plan.top[:, None] + np.arange(height))[:, :, None],
            (plan.left[:, None] + columns)[:, None, :],
        )
        return self.pixels[tuple(map(self._xp.asarray, where))]


class StreamedSource(BatchSource):
    """The next batch is gathered into page-locked memory, from which the GPU copies it; two buffers take turns."""

    def __init__(self, backend: Backend, *arguments: Any, **keywords: Any):
        super().__init__(*arguments, **keywords)
        self._backend = backend
        # A new thread would use the first GPU, whichever the rank's is.
        self._thread = ThreadPoolExecutor(1, "batches", backend.xp.cuda.Device().use)
        self._buffers = [backend.page_locked((self.batch_size, *self.size, 3)) for _ in range(2)]
        self._copied: list[Any] = [None, None]

    def gather(self, iteration: int, out: np.ndarray | None = None) -> np.ndarray:
        """Make a batch in the buffer whose turn it is."""
        turn = iteration % 2
        if self._copied[turn] is not None:
            self._copied[turn].synchronize()
        own = len(range(self.batch_size)[self.part])
        return super().gather(iteration, self._buffers[turn][:own])

    def batch(self, iteration: int) -> Array:
        """The images of iteration 1, 2, …, uint8 (B, *size, 3), on their way to the device."""
        batch, self._copied[iteration % 2] = self._backend.copy_from(super().batch(iteration))
        return batch
