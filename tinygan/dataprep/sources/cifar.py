"""CIFAR-10, whose archive or batch files hold pixels instead of image files."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tinygan.data import cifar10
from tinygan.data.cifar10_batches import REMEDY, Batch
from tinygan.dataprep.sources import Listing, Read
from tinygan.errors import TinyganError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


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
        self.batches: dict[str, tuple[Path, Callable[[bytes, str], Batch]]] = {}

    def list(self, scratch: Path) -> Listing:
        """Reads and checks every batch; those of an archive are kept in ``scratch`` as files.

        Raises:
            TinyganError: nothing is found, the download fails, or a file is missing or damaged.
        """
        version, self.path = cifar10.locate(self.wanted, self.download_to)
        labels, digests = {}, {}
        for name, content in cifar10.read_batches(version, self.path):
            _, labels[name] = version.parse(content, str(self.path / name))
            digests[name] = hashlib.sha256(content).digest()
            file = self.path / name
            if self.path.is_file():
                file = scratch / name
                file.write_bytes(content)
            self.batches[name] = file, version.parse
        missing = [name for name in version.batches if name not in labels]
        if missing:
            raise TinyganError(f"{self.path} lacks {missing[0]}; {REMEDY}")
        items = [f"{name}/{number:04d}" for name in version.batches for number in range(len(labels[name]))]
        fingerprint = hashlib.sha256(b"".join(digests[name] for name in version.batches)).hexdigest()
        return Listing(
            items, f"sha256:{fingerprint}", np.concatenate([labels[name] for name in version.batches]), CLASSES
        )

    @contextmanager
    def reader(self) -> Iterator[Read]:
        """From a name to pixels (32, 32, 3); the batch file read last is kept in memory."""
        last: tuple[str, np.ndarray] | None = None

        def read(item: str) -> np.ndarray:
            nonlocal last
            name, number = item.split("/")
            if last is None or last[0] != name:
                file, parse = self.batches[name]
                last = name, parse(file.read_bytes(), str(file))[0]
            return last[1][int(number)]

        yield read
