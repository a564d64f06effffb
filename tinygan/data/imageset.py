"""A data set as a run holds it: every image as bytes, which of them train, and where they came from."""

import hashlib
from dataclasses import dataclass

import numpy as np

from tinygan.data.split import Split, split
from tinygan.data.transform import Size, centre
from tinygan.errors import UsageError


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one size, in memory or mapped into it, as a training run wants them.

    Where ``size`` is smaller than the images, tests are made on the centre of each image, and training takes windows.
    Raises ValueError where an array has the wrong type or shape, a defect of the loader that made it.
    """

    name: str  # one of tinygan.data.DATASETS
    images: np.ndarray  # uint8 (N, H, W, 3), sRGB values 0 to 255
    labels: np.ndarray | None  # int64 (N,), where the source has them
    source: str  # one line for people: where the images came from and what was left out
    split: Split | None = None  # which images train and test; the usual one unless a packed set brings its own
    size: Size | None = None  # (height, width) that the networks draw, if not the images' own
    known_fingerprint: str | None = None  # what fingerprint() would return, if it is already known

    def __post_init__(self):
        images, labels = self.images, self.labels
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or 0 in images.shape:
            raise ValueError(f"images must be uint8 (N, H, W, 3), not empty; got {images.dtype} {images.shape}")
        if labels is not None and (labels.dtype != np.int64 or labels.shape != images.shape[:1]):
            raise ValueError(f"labels must be int64 ({len(images)},); got {labels.dtype} {labels.shape}")
        if "\n" in self.source:
            raise ValueError("source must be one line")

        if self.split is None:
            object.__setattr__(self, "split", split(len(images)))
        if self.size is None:
            object.__setattr__(self, "size", images.shape[1:3])

    def take(self, rows: np.ndarray) -> np.ndarray:
        """The images of these rows, uint8 (n, *size, 3): whole, or their centre where ``size`` is smaller."""
        (top, left), (height, width) = centre(self.images.shape[1:3], self.size), self.size
        return self.images[rows, top : top + height, left : left + width]

    def fingerprint(self) -> str:
        """``sha256:<hex>`` over shape and pixels: equal for equal images, wherever they were loaded from.

        A run stores it, so that a checkpoint or a test result can be tied to exactly these images in this order
        (the paper's code re-used split files on changed folders without noticing; notes, B12). A split that is not
        the usual one enters as well, since a run on another one may have trained on images that this one tests.
        """
        if self.known_fingerprint:
            return self.known_fingerprint
        digest = hashlib.sha256(repr(self.images.shape).encode())
        for start in range(0, len(self.images), 1000):  # in blocks: a view that is not contiguous is never copied whole
            digest.update(np.ascontiguousarray(self.images[start : start + 1000]))
        return with_split(f"sha256:{digest.hexdigest()}", self.split)


def with_split(pixels: str, division: Split) -> str:
    """The fingerprint of a set from that of its pixels: the same, unless its split is not the usual one."""
    usual = split(sum(map(len, division)))
    if all(np.array_equal(one, other) for one, other in zip(division, usual, strict=True)):
        return pixels
    digest = hashlib.sha256(pixels.encode())
    for rows in division:
        digest.update(len(rows).to_bytes(8, "little") + rows.astype("<i8").tobytes())
    return f"sha256:{digest.hexdigest()}"


def of_array(images: np.ndarray) -> ImageSet:
    """An array as a data set. UsageError if it is not one of images."""
    images = np.asanyarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not images.size:
        raise UsageError(f"images is {images.dtype} {images.shape}: give uint8 (N, H, W, 3), values 0 to 255")
    if any(side % 2 for side in images.shape[1:3]):
        raise UsageError(f"images is {images.shape}: H and W must be even, the networks halve them")
    return ImageSet("folder", images, None, f"an array of {len(images):,} images")
