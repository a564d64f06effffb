"""CIFAR-10, whose archive or batch files hold pixels instead of image files."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np

from tinygan.data import cifar10
from tinygan.dataprep.sources import Listing, Read


class CifarSource:
    """The 60,000 images as ``<batch file>/<number in it>``, training files first.

    Args:
        path: as ``data_dir`` of :func:`tinygan.data.cifar10.load`; None: found or downloaded.
        download_to: the folder to download into.
    """

    own_process = False

    def __init__(self, path: Path | None, download_to: Path):
        self.wanted, self.download_to = path, download_to
        self.path = path or download_to
        self.batches: dict[str, tuple[Path, Callable[[bytes, Path], cifar10.Batch]]] = {}

    def list(self, scratch: Path) -> Listing:
        """Reads and checks every batch; those of an archive are kept in ``scratch`` as files.

        Raises TinyganError where nothing is found, the download fails, or a file is missing or damaged.
        """
        version, self.path = cifar10.locate(self.wanted, self.download_to)
        labels, digests = {}, {}
        for name, content in cifar10.read_batches(version, self.path):
            _, labels[name] = version.parse(content, self.path / name)
            digests[name] = hashlib.sha256(content).digest()
            file = self.path / name
            if self.path.is_file():
                file = scratch / name
                file.write_bytes(content)
            self.batches[name] = file, version.parse
        items = [f"{name}/{number:04d}" for name in version.batches for number in range(len(labels[name]))]
        fingerprint = hashlib.sha256(b"".join(digests[name] for name in version.batches)).hexdigest()
        all_labels = np.concatenate([labels[name] for name in version.batches])
        return Listing(items, f"sha256:{fingerprint}", all_labels, cifar10.CLASSES)

    @contextmanager
    def reader(self) -> Iterator[Read]:
        """From a name to pixels (32, 32, 3); the batch file read last is kept in memory."""

        @lru_cache(1)
        def images(name: str) -> np.ndarray:
            file, parse = self.batches[name]
            return parse(file.read_bytes(), file)[0]

        def read(item: str) -> np.ndarray:
            name, number = item.split("/")
            return images(name)[int(number)]

        yield read
