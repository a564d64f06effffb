"""The training images in their order: which ones iteration i sees, as a pure function of (seed, iteration)."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from tinygan.data.transform import Size, centre
from tinygan.rng import rng_for
from tinygan.runtime.threads import thread_started

AUGMENTATIONS = ("flip", "crop")


class Plan(NamedTuple):
    """What a batch is made of, (B,) each: rows of the set, the corners of the windows, and which ones are mirrored."""

    rows: np.ndarray
    top: np.ndarray
    left: np.ndarray
    flip: np.ndarray


class BatchSource:
    """Batches of training images in a new random order each epoch; a batch may straddle two epochs.

    The n-th image ever used is image n mod M of epoch n div M, an epoch's permutation is drawn from (seed, epoch), and
    what is done to the images from (seed, iteration). So the position is the iteration number, and a resumed run needs
    nothing else to go on where it was.

    While an iteration is computed, a thread gathers the next one's images: a set that is mapped into memory may have
    to be read from the disk.

    Args:
        images: all images, uint8 (N, H, W, 3).
        indices: which of them to train on, (M,).
        batch_size: B, at most M.
        augment: of ``AUGMENTATIONS``: ``flip`` mirrors half of the images left to right; ``crop`` takes the window of
            ``size`` at a random place instead of the centre.
        size: (height, width) of the batches' images, at most theirs; None for theirs.
    """

    def __init__(
        self,
        images: np.ndarray,
        indices: np.ndarray,
        batch_size: int,
        seed: int,
        augment: tuple[str, ...] = (),
        size: Size | None = None,
    ):
        if batch_size > len(indices):
            raise ValueError(f"batch size {batch_size} is larger than the {len(indices)} training images")
        self.images = images
        self.indices = indices
        self.batch_size = batch_size
        self.seed = seed
        self.augment = augment
        self.size = size or images.shape[1:3]
        self.part = slice(None)  # of each batch, where other ranks gather the rest
        self._order: tuple[int, np.ndarray] | None = None  # the epoch in progress, drawn once
        self._thread = ThreadPoolExecutor(1, "batches")
        self._next: dict[int, Future] = {}  # what is gathered ahead, by iteration

    def batch(self, iteration: int) -> np.ndarray:
        """The images of iteration 1, 2, …, uint8 (B, *size, 3)."""
        batch = (self._next.pop(iteration, None) or self._gathered(iteration)).result()
        self._next = {iteration + 1: self._gathered(iteration + 1)}
        return batch

    def _gathered(self, iteration: int) -> Future:
        with thread_started():
            return self._thread.submit(self.gather, iteration)

    def plan(self, iteration: int) -> Plan:
        """What this rank's part of the batch of iteration 1, 2, … is made of."""
        positions = np.arange((iteration - 1) * self.batch_size, iteration * self.batch_size)
        epochs, offsets = np.divmod(positions, len(self.indices))
        rows = np.concatenate([self._epoch(epoch)[offsets[epochs == epoch]] for epoch in np.unique(epochs)])
        corners = np.broadcast_to(centre(self.images.shape[1:3], self.size), (self.batch_size, 2))
        # All are drawn, used or not: mirroring does not change where the windows are.
        chance = rng_for(self.seed, "augmentation", iteration).random((self.batch_size, 3))
        if "crop" in self.augment:
            places = np.subtract(self.images.shape[1:3], self.size) + 1
            corners = (chance[:, 1:] * places).astype(np.int64)
        whole = Plan(rows, *corners.T, (chance[:, 0] < 0.5) & ("flip" in self.augment))
        return Plan(*(values[self.part] for values in whole))

    def gather(self, iteration: int, out: np.ndarray | None = None) -> np.ndarray:
        """Make a batch, in ``out`` (B, *size, 3) if given."""
        plan, (height, width) = self.plan(iteration), self.size
        if out is None:
            out = np.empty((len(plan.rows), height, width, 3), np.uint8)
        for target, row, top, left, flip in zip(out, *plan, strict=True):
            window = self.images[row, top : top + height, left : left + width]
            target[:] = window[:, ::-1] if flip else window
        return out

    def _epoch(self, epoch: int) -> np.ndarray:
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, rng_for(self.seed, "order", int(epoch)).permutation(self.indices)
        return self._order[1]
