"""A data set in memory: every image as bytes, and where it came from."""

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one size, held whole in memory as a training run wants them.

    Attributes:
        name: the data set's name, one of ``tinygan.data.DATASETS``.
        images: uint8 (N, H, W, 3), sRGB values 0 to 255.
        labels: int64 (N,), or None where the source has none.
        source: one line for people: where the images came from and what was left out.

    Raises:
        ValueError: an array has the wrong type or shape (a defect of the loader that made it).
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None
    source: str

    def __post_init__(self):
        images, labels = self.images, self.labels
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or 0 in images.shape:
            raise ValueError(f"images must be uint8 (N, H, W, 3), not empty; got {images.dtype} {images.shape}")
        if labels is not None and (labels.dtype != np.int64 or labels.shape != images.shape[:1]):
            raise ValueError(f"labels must be int64 ({len(images)},); got {labels.dtype} {labels.shape}")
        if "\n" in self.source:
            raise ValueError("source must be one line")

    def fingerprint(self) -> str:
        """``sha256:<hex>`` over shape and pixels: equal for equal images, wherever they were loaded from.

        A run stores it, so that a checkpoint or a test result can be tied to exactly these images in this order
        (the paper's code re-used split files on changed folders without noticing; notes, B12).
        """
        digest = hashlib.sha256(repr(self.images.shape).encode())
        for start in range(0, len(self.images), 1000):  # in blocks: a view that is not contiguous is never copied whole
            digest.update(np.ascontiguousarray(self.images[start : start + 1000]))
        return f"sha256:{digest.hexdigest()}"
