"""CIFAR-10: 60,000 photographs of 32x32 pixels in ten classes, found on the disk or downloaded.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009;
https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version" and "Python version".
"""

import hashlib
import pickle
import tarfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygan.data.download import check_archive, download
from tinygan.data.imageset import ImageSet
from tinygan.errors import TinyganError

DOWNLOAD_URL = "https://www.cs.toronto.edu/~kriz/"
DOWNLOAD_FOLDER = Path("data/cifar10")
REMEDY = "unpack the archive again, or name no folder to have it downloaded"
RECORDS = 10_000  # images in each batch file
SIDE = 32
PIXEL_BYTES = 3 * SIDE * SIDE
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LARGEST_BATCH = 64 << 20  # bytes; a genuine one has 31 MB, and what is larger is not read into memory
PYTHON_MD5 = {  # of the Python version's files
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}

Batch = tuple[np.ndarray, np.ndarray]  # images uint8 (R, H, W, 3), labels int64 (R,)


def parse_binary(content: bytes, file: Path) -> Batch:
    """Binary version: per record one byte of label, then the planes R, G, B, each row by row.

    Raises TinyganError where the size or a label is wrong.
    """
    expected = RECORDS * (1 + PIXEL_BYTES)
    if len(content) != expected:
        raise TinyganError(f"{file} has {len(content)} bytes, not {expected}; {REMEDY}")
    records = np.frombuffer(content, np.uint8).reshape(RECORDS, 1 + PIXEL_BYTES)
    wrong = np.flatnonzero(records[:, 0] >= len(CLASSES))
    if len(wrong):
        raise TinyganError(f"{file}: the label of image {wrong[0]} is outside 0 to {len(CLASSES) - 1}; {REMEDY}")
    return _nhwc(records[:, 1:]), records[:, 0].astype(np.int64)


def parse_python(content: bytes, file: Path) -> Batch:
    """Python version: a pickled dictionary of ``data`` uint8 (R, 3072), planes as above, and a list ``labels``.

    A pickle is a program, so only the published files are opened: TinyganError for any other content.
    """
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != PYTHON_MD5[file.name]:
        raise TinyganError(f"{file} is not the published file (another MD5): nothing in it was read; {REMEDY}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, about the way in which Python 2 pickled its types
        batch = pickle.loads(content, encoding="bytes")
    return _nhwc(batch[b"data"]), np.array(batch[b"labels"], np.int64)


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
    batches=tuple(f"{name}.bin" for name in PYTHON_MD5),
    parse=parse_binary,
)
PYTHON = Version(
    archive="cifar-10-python.tar.gz",
    length=170_498_071,
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    folder="cifar-10-batches-py",
    batches=tuple(PYTHON_MD5),
    parse=parse_python,
)


def load(data_dir: Path | None = None) -> ImageSet:
    """All 60,000 images, uint8 (N, 32, 32, 3), the 50,000 of the training files first; labels 0 to 9.

    Training and test files are joined as in the paper; :func:`tinygan.data.split.split` divides them anew.

    Args:
        data_dir: a folder that holds one of the two archives or what one unpacks to, that unpacked folder itself, or
            an archive file. None: the folder ``data/cifar10``, into which the binary archive (162 MB) is downloaded
            unless one of these is already there.

    Raises TinyganError where nothing is found, the download fails, or a file is missing or damaged.
    """
    version, path = locate(data_dir)
    images = np.empty((len(version.batches) * RECORDS, SIDE, SIDE, 3), np.uint8)
    labels = np.empty(len(images), np.int64)
    for batch, content in read_batches(version, path):
        start = version.batches.index(batch) * RECORDS
        rows = slice(start, start + RECORDS)
        images[rows], labels[rows] = version.parse(content, path / batch)
    source = f"CIFAR-10, training and test images joined, {len(images)} images from {path}"
    return ImageSet("cifar10", images, labels, source)


def locate(data_dir: Path | None, download_to: Path = DOWNLOAD_FOLDER) -> tuple[Version, Path]:
    """The version that is at ``data_dir``, with the path of its archive or of its folder of batches.

    Without ``data_dir``, what is in ``download_to`` or ``data/cifar10``, else the binary archive, downloaded into the
    former. Raises TinyganError where nothing is found, or the download fails.
    """
    places = [Path(data_dir)] if data_dir else [download_to, DOWNLOAD_FOLDER]
    found = next(filter(None, map(_find, places)), None)
    if found is None and data_dir is None:
        found = BINARY, download_to / BINARY.archive
        download(DOWNLOAD_URL + BINARY.archive, found[1], BINARY.length, BINARY.sha256)
    if found is None:
        raise TinyganError(
            f"no CIFAR-10 at {data_dir}: looked for {BINARY.archive}, {PYTHON.archive}, {BINARY.folder}/ and "
            f"{PYTHON.folder}/ (or their batch files); name no folder to have it downloaded (162 MB)"
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
    """(file name, content) of all batches that are at ``path``, an archive or a folder, in whatever order they come.

    An archive is read as a stream, so that no path in it is ever created on the disk. Raises TinyganError where one is
    missing, or the archive is not the published one.
    """
    missing = {f"{version.folder}/{batch}": batch for batch in version.batches}
    if path.is_dir():
        for member, batch in list(missing.items()):
            file = path / batch
            if file.is_file():
                if file.stat().st_size > LARGEST_BATCH:
                    size = file.stat().st_size
                    raise TinyganError(f"{file} has {size} bytes, far more than a batch of CIFAR-10; {REMEDY}")
                yield missing.pop(member), file.read_bytes()
    else:
        check_archive(path, version.length, version.sha256)
        with tarfile.open(path, "r|gz") as tar:
            for member in tar:
                if member.isfile() and member.name in missing:
                    yield missing.pop(member.name), tar.extractfile(member).read()
    if missing:
        raise TinyganError(f"{path} lacks {next(iter(missing.values()))}; {REMEDY}")
