"""The order of the training images as a pure function of (seed, iteration)."""

import numpy as np

from tinygan.streams import stream


class BatchSource:
    """Batches of training images in a new random order each epoch; a batch may straddle two epochs.

    The n-th image ever used is image n mod M of epoch n div M, and an epoch's permutation is drawn from (seed, epoch).
    So the position is the iteration number, and a resumed run needs nothing else to go on where it was.

    Args:
        images: all images, uint8 (N, H, W, 3).
        indices: which of them to train on, (M,).
        batch_size: B, at most M.
        seed: the run's seed.
    """

    def __init__(self, images: np.ndarray, indices: np.ndarray, batch_size: int, seed: int):
        if batch_size > len(indices):
            raise ValueError(f"batch size {batch_size} is larger than the {len(indices)} training images")
        self.images = images
        self.indices = indices
        self.batch_size = batch_size
        self.seed = seed
        self._order: tuple[int, np.ndarray] | None = None  # the epoch in progress, drawn once

    def batch(self, iteration: int) -> np.ndarray:
        """The images of iteration 1, 2, …, uint8 (B, H, W, 3)."""
        return self.images[self.chosen(iteration)]

    def chosen(self, iteration: int) -> np.ndarray:
        """Which of ``images`` :meth:`batch` takes, (B,)."""
        positions = np.arange((iteration - 1) * self.batch_size, iteration * self.batch_size)
        epochs, offsets = np.divmod(positions, len(self.indices))
        return np.concatenate([self._epoch(epoch)[offsets[epochs == epoch]] for epoch in np.unique(epochs)])

    def first(self, count: int) -> np.ndarray:
        """``count`` training images (fewer if there are fewer), the same each time, to show what is learnt from."""
        return self.images[self.indices[:count]]

    def _epoch(self, epoch: int) -> np.ndarray:
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, stream(self.seed, "order", int(epoch)).permutation(self.indices)
        return self._order[1]
