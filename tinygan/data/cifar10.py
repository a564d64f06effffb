"""CIFAR-10: 60,000 photographs of 32x32 pixels in ten classes, found on the disk or downloaded.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009;
https://www.cs.toronto.edu/~kriz/cifar.html.
"""

import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygan.data import cifar10_batches
from tinygan.data.cifar10_batches import REMEDY, SIDE, Batch, parse_binary, parse_python
from tinygan.data.download import check_archive, download
from tinygan.data.folder import find_images
from tinygan.data.imageset import ImageSet
from tinygan.errors import TinyganError

DOWNLOAD_URL = "https://www.cs.toronto.edu/~kriz/"
DOWNLOAD_FOLDER = Path("data/cifar10")
LARGEST_BATCH = 64 << 20  # bytes; a genuine one has 31 MB, and what is larger is not read into memory


class Version(NamedTuple):
    """One of the two forms in which CIFAR-10 is published."""

    archive: str
    length: int  # bytes of the archive
    sha256: str
    folder: str  # which the archive unpacks to
    batches: tuple[str, ...]  # the folder's files: training, then test
    parse: Callable[[bytes, str], Batch]


BINARY = Version(
    archive="cifar-10-binary.tar.gz",
    length=170_052_171,
    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    folder="cifar-10-batches-bin",
    batches=(*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"),
    parse=parse_binary,
)
PYTHON = Version(
    archive="cifar-10-python.tar.gz",
    length=170_498_071,
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    folder="cifar-10-batches-py",
    batches=(*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"),
    parse=parse_python,
)


def load(data_dir: Path | None = None) -> ImageSet:
    """All 60,000 images, uint8 (N, 32, 32, 3), the 50,000 of the training files first; labels 0 to 9.

    Training and test files are joined as in the paper; :func:`tinygan.data.split.split` divides them anew.

    Args:
        data_dir: a folder that holds one of the two archives or what one unpacks to, that unpacked folder itself, or
            an archive file. None: the folder ``data/cifar10``, into which the binary archive (162 MB) is downloaded
            unless one of these is already there.

    Raises:
        TinyganError: nothing is found, the download fails, or a file is missing or damaged.
    """
    version, path = locate(data_dir)
    images, labels = _join(version, path, read_batches(version, path))
    source = f"CIFAR-10, training and test images joined, {len(images)} images from {path}"
    return ImageSet("cifar10", images, labels, source)


def locate(data_dir: Path | None, download_to: Path = DOWNLOAD_FOLDER) -> tuple[Version, Path]:
    """The version that is there, with the path of its archive or of its folder of batches; downloaded if need be.

    Args:
        data_dir: as in :func:`load`; None looks into ``download_to`` and into ``data/cifar10``.
        download_to: the folder that the binary archive is downloaded into.

    Raises:
        TinyganError: nothing is found, or the download fails.
    """
    places = [Path(data_dir)] if data_dir else [download_to, DOWNLOAD_FOLDER]
    found = next(filter(None, map(_find, places)), None)
    if found is None and data_dir is None:
        found = BINARY, download_to / BINARY.archive
        download(DOWNLOAD_URL + BINARY.archive, found[1], BINARY.length, BINARY.sha256)
    if found is None:
        instead = "name no folder to have it downloaded (162 MB)"
        if Path(data_dir).is_dir() and find_images(data_dir).paths:
            instead = "it holds image files: add --dataset folder to read them"
        raise TinyganError(
            f"no CIFAR-10 at {data_dir}: looked for {BINARY.archive}, {PYTHON.archive}, {BINARY.folder}/ and "
            f"{PYTHON.folder}/ (or their batch files); {instead}"
        )
    return found


def read_batches(version: Version, path: Path) -> Iterator[tuple[str, bytes]]:
    """(file name, content) of the batches that are at ``path``, an archive or a folder, in whatever order they come."""
    return _read_folder(version, path) if path.is_dir() else _read_archive(version, path)


def _find(place: Path) -> tuple[Version, Path] | None:
    """The version that is at ``place``, with the path of its archive or of its folder of batches."""
    for version in (BINARY, PYTHON):
        if place.name == version.archive and place.is_file():
            return version, place
        if any((place / batch).is_file() for batch in version.batches):
            return version, place
        if (place / version.folder).is_dir():
            return version, place / version.folder
        if (place / version.archive).is_file():
            return version, place / version.archive
    return None


def _join(version: Version, path: Path, contents: Iterator[tuple[str, bytes]]) -> Batch:
    """Parse the batches, in whatever order they come, into one array in the order of ``version.batches``."""
    records = cifar10_batches.RECORDS
    images = np.empty((len(version.batches) * records, SIDE, SIDE, 3), np.uint8)
    labels = np.empty(len(images), np.int64)
    missing = list(version.batches)
    for batch, content in contents:
        start = version.batches.index(batch) * records
        rows = slice(start, start + records)
        images[rows], labels[rows] = version.parse(content, str(path / batch))
        missing.remove(batch)
    if missing:
        raise TinyganError(f"{path} lacks {missing[0]}; {REMEDY}")
    return images, labels


def _read_folder(version: Version, folder: Path) -> Iterator[tuple[str, bytes]]:
    for batch in version.batches:
        file = folder / batch
        if file.is_file():
            _check_size(file, file.stat().st_size)
            yield batch, file.read_bytes()


def _read_archive(version: Version, archive: Path) -> Iterator[tuple[str, bytes]]:
    """The batches as they come in the archive: read as streams, so that no path in it is ever created on the disk."""
    check_archive(archive, version.length, version.sha256)
    expected = {f"{version.folder}/{batch}": batch for batch in version.batches}
    try:
        with tarfile.open(archive, "r|gz") as tar:
            for member in tar:
                batch = expected.get(member.name)
                if batch is not None and member.isfile():
                    del expected[member.name]  # a second member of that name is no batch
                    _check_size(archive / batch, member.size)
                    yield batch, tar.extractfile(member).read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise TinyganError(f"{archive} cannot be unpacked ({error}); delete it and download it again") from error


def _check_size(file: Path, size: int) -> None:
    if size > LARGEST_BATCH:
        raise TinyganError(f"{file} has {size} bytes, far more than a batch of CIFAR-10; {REMEDY}")
