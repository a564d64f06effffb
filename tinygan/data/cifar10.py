"""CIFAR-10: 60,000 photographs of 32x32 pixels in ten classes, found on the disk or downloaded.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009;
https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version" and "Python version".
"""

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygan.data.download import check_archive, download
from tinygan.data.folder import find_images
from tinygan.data.imageset import ImageSet
from tinygan.data.unpickle import unpickle
from tinygan.errors import TinyganError

DOWNLOAD_URL = "https://www.cs.toronto.edu/~kriz/"
DOWNLOAD_FOLDER = Path("data/cifar10")
REMEDY = "unpack the archive again, or name no folder to have it downloaded"
RECORDS = 10_000  # images in each batch file
SIDE = 32
PIXEL_BYTES = 3 * SIDE * SIDE
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LARGEST_BATCH = 64 << 20  # bytes; a genuine one has 31 MB, and what is larger is not read into memory

Batch = tuple[np.ndarray, np.ndarray]  # images uint8 (R, H, W, 3), labels int64 (R,)


def parse_binary(content: bytes, file: Path) -> Batch:
    """Binary version: per record one byte of label, then the planes R, G, B; TinyganError where it is damaged."""
    expected = RECORDS * (1 + PIXEL_BYTES)
    if len(content) != expected:
        raise TinyganError(f"{file} has {len(content)} bytes, not {expected}; {REMEDY}")
    records = np.frombuffer(content, np.uint8).reshape(RECORDS, 1 + PIXEL_BYTES)
    return _nhwc(records[:, 1:]), _checked(records[:, 0].tolist(), file)


def parse_python(content: bytes, file: Path) -> Batch:
    """Python version: a pickle of ``data`` uint8 (R, 3072), planes as above, and a list ``labels``; raises likewise."""
    batch = unpickle(content, str(file))
    data, labels = batch.get(b"data"), batch.get(b"labels")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape != (RECORDS, PIXEL_BYTES):
        found = f"{data.dtype} {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        raise TinyganError(f"{file}: 'data' must be uint8 ({RECORDS}, {PIXEL_BYTES}), not {found}; {REMEDY}")
    if not isinstance(labels, list) or len(labels) != RECORDS or not all(type(label) is int for label in labels):
        raise TinyganError(f"{file}: 'labels' must be a list of {RECORDS} integers; {REMEDY}")
    return _nhwc(data), _checked(labels, file)


def _checked(labels: list[int], file: Path) -> np.ndarray:
    wrong = next((image for image, label in enumerate(labels) if not 0 <= label < len(CLASSES)), None)
    if wrong is not None:
        raise TinyganError(f"{file}: the label of image {wrong} is outside 0 to {len(CLASSES) - 1}; {REMEDY}")
    return np.array(labels, np.int64)


def _nhwc(rows: np.ndarray) -> np.ndarray:
    """(R, 3072) rows of planes as a view of shape (R, H, W, 3)."""
    return rows.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)


class Version(NamedTuple):
    """One of the two forms in which CIFAR-10 is published."""

    archive: str
    length: int  # bytes of the archive
    sha256: str
    folder: str  # which the archive unpacks to
    batches: tuple[str, ...]  # the folder's files: training, then test
    parse: Callable[[bytes, Path], Batch]


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

    ``data_dir`` is a folder that holds one of the two archives or what one unpacks to, that unpacked folder itself, or
    an archive file. None: the folder ``data/cifar10``, into which the binary archive (162 MB) is downloaded unless one
    of these is already there. Raises TinyganError where nothing is found, the download fails, or a file is damaged.
    """
    return read(*locate(data_dir))


def read(version: Version, path: Path) -> ImageSet:
    """All images of what :func:`locate` has found; raises TinyganError where a file is missing or damaged."""
    images = np.empty((len(version.batches) * RECORDS, SIDE, SIDE, 3), np.uint8)
    labels = np.empty(len(images), np.int64)
    for batch, content in read_batches(version, path):
        start = version.batches.index(batch) * RECORDS
        rows = slice(start, start + RECORDS)
        images[rows], labels[rows] = version.parse(content, path / batch)
    source = f"CIFAR-10, training and test images joined, {len(images)} images from {path}"
    return ImageSet("cifar10", images, labels, source)


def locate(data_dir: Path | None, download_to: Path = DOWNLOAD_FOLDER) -> tuple[Version, Path]:
    """The version found at ``data_dir``, with the path of its archive or of its folder of batches.

    Without ``data_dir``, what is in ``download_to`` or ``data/cifar10``, else downloaded into the former. Raises
    TinyganError where nothing is found, or the download fails.
    """
    places = [data_dir] if data_dir else [download_to, DOWNLOAD_FOLDER]
    found = next(filter(None, map(_find, places)), None)
    if found is None and data_dir is None:
        found = BINARY, download_to / BINARY.archive
        download(DOWNLOAD_URL + BINARY.archive, found[1], BINARY.length, BINARY.sha256)
    if found is None:
        instead = "name no folder to have it downloaded (162 MB)"
        if data_dir.is_dir() and find_images(data_dir).paths:
            instead = "it holds image files: add --dataset folder to read them"
        raise TinyganError(
            f"no CIFAR-10 at {data_dir}: looked for {BINARY.archive}, {PYTHON.archive}, {BINARY.folder}/ and "
            f"{PYTHON.folder}/ (or their batch files); {instead}"
        )
    return found


def _find(place: Path) -> tuple[Version, Path] | None:
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


def read_batches(version: Version, path: Path) -> Iterator[tuple[str, bytes]]:
    """(file name, content) of all batches at ``path``, an archive or a folder, in whatever order they come.

    An archive is read as a stream, so that no path in it is ever created on the disk. Raises TinyganError where one is
    missing, or the archive is not the published one.
    """
    missing = {f"{version.folder}/{batch}": batch for batch in version.batches}
    if path.is_dir():
        for name, batch in list(missing.items()):
            file = path / batch
            if file.is_file():
                size = file.stat().st_size
                if size > LARGEST_BATCH:
                    raise TinyganError(f"{file} has {size} bytes, far more than a batch of CIFAR-10; {REMEDY}")
                yield missing.pop(name), file.read_bytes()
    else:
        check_archive(path, version.length, version.sha256)
        with tarfile.open(path, "r|gz") as tar:
            for member in tar:
                if member.isfile() and member.name in missing:
                    yield missing.pop(member.name), tar.extractfile(member).read()
    if missing:
        raise TinyganError(f"{path} lacks {next(iter(missing.values()))}; {REMEDY}")
