"""CIFAR-10, whose archive or batch files hold pixels instead of image files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tinygan.data import cifar10
from tinygan.dataprep.sources import Listing, Read


class CifarSource:
    """The 60,000 images as ``<batch file>/<number in it>``, training files first; found as by ``cifar10.locate``."""

    own_process = False

    def __init__(self, path: Path | None, download_to: Path):
        self.wanted, self.download_to = path, download_to
        self.path = path or download_to

    def list(self, scratch: Path) -> Listing:
        """Reads and checks every batch, and keeps the pixels in ``scratch``; the fingerprint is that of the images."""
        version, self.path = cifar10.locate(self.wanted, self.download_to)
        images = cifar10.read(version, self.path)
        self.pixels = scratch / "pixels.npy"
        np.save(self.pixels, images.images)
        self.starts = {name: number * cifar10.RECORDS for number, name in enumerate(version.batches)}
        items = [f"{name}/{number:04d}" for name in version.batches for number in range(cifar10.RECORDS)]
        return Listing(items, images.fingerprint(), images.labels, cifar10.CLASSES)

    @contextmanager
    def reader(self) -> Iterator[Read]:
        """From a name to pixels (32, 32, 3)."""
        images = np.load(self.pixels, mmap_mode="r", allow_pickle=False)

        def read(item: str) -> np.ndarray:
            name, number = item.split("/")
            return np.asarray(images[self.starts[name] + int(number)])

        yield read
