"""The packed format: a data set that needs no decoder and opens at once, whatever its size.

    images.npy      uint8 (N, H, W, 3), to be mapped into memory
    dataset.json    everything about them; written last, so a folder that has it is whole
    train.npy       int64, the rows of the training images in their order; the test images' are in dataset.json
    names.txt       the images' names in their source, one line per row
    labels.npy      int64 (N,), where the source has classes
    preview.png     100 of the images

What is still being made lies in the folder ``unfinished`` beside where these files will be.
"""

import hashlib
import math
import os
import re
from pathlib import Path

import numpy as np

from tinygan.data.imageset import ImageSet, with_split
from tinygan.data.split import SPLIT, split_from_json
from tinygan.data.transform import Size, shown
from tinygan.errors import TinyganError, UsageError
from tinygan.jsonfile import parse_json, read_bytes
from tinygan.text import printable

FORMAT = "tinygan packed images 1"
IMAGES, DESCRIPTION, TRAIN, NAMES = "images.npy", "dataset.json", "train.npy", "names.txt"
LABELS, PREVIEW = "labels.npy", "preview.png"
UNFINISHED = "unfinished"
HEADER_BYTES = 128  # at the beginning of a .npy file, before the values
LARGEST_DESCRIPTION = 1 << 30
# What dataset.json must be, see jsonfile.py.
FIELDS = {
    "format": str,
    "dataset": str,
    "count": int,
    "height": int,
    "width": int,
    "crop": tuple[int, int] | None,
    "summary": str,
    "fingerprint": str,
    "split": SPLIT,
    # What describing and verifying it needs besides.
    "filter": str,
    "mean": tuple[float, float, float],
    "std": tuple[float, float, float],
    "pixels": str,
    "source": {"path": str},
    "classes": dict[str, int],
    "converted": dict[str, int],
    "skipped": list[tuple[str, str]],
    "left_out": list[str],
    "wanted": {"running": int, "final": int},
    "checksums?": dict[str, str],  # of the files beside the images; older sets have none
}


def header(shape: tuple[int, ...], kind: str = "|u1") -> bytes:
    """The first 128 bytes of a ``.npy`` file, format 1.0: ``|u1`` are bytes, ``<i8`` integers of 8 bytes.

    Written here, so that its length is known before the shape is, its bytes are the same for every NumPy, and a file
    is recognised by comparing them: NumPy's own reader runs Python's parser over them.
    """
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\x01\x00" + (HEADER_BYTES - 10).to_bytes(2, "little") + f"{text:<{HEADER_BYTES - 11}}\n".encode()


def is_packed(folder: Path) -> bool:
    """Whether ``folder`` holds a packed set; TinyganError if it holds one that was not finished."""
    whole = (Path(folder) / DESCRIPTION).is_file()
    if not whole and (Path(folder) / UNFINISHED).is_dir():
        remedy = "give the same data_prep.py command again to finish it"
        raise TinyganError(f"{folder} is a packed set that is not finished: {remedy}")
    return whole


def read_description(folder: Path) -> dict:
    """``dataset.json``, checked; TinyganError where it is missing, damaged, or of a later version."""
    path = Path(folder) / DESCRIPTION
    if not is_packed(folder):
        raise TinyganError(f"{folder} is no packed set: it has no {DESCRIPTION}; make one with data_prep.py")
    try:
        content = read_bytes(path, LARGEST_DESCRIPTION)
        form = parse_json(content, {"format": str})["format"]
        if form != FORMAT and re.fullmatch(f"{FORMAT[:-1]}[0-9]{{1,9}}", form):
            raise TinyganError(f"{path} was written by a newer tinygan ({form}): update it")
        if form != FORMAT:
            raise ValueError(f"format {form[:40]!r}, not {FORMAT!r}")
        description = parse_json(content, FIELDS)
        if min(description[name] for name in ("count", "height", "width")) < 1:
            raise ValueError("an empty set")
    except ValueError as error:
        raise damaged(path, error) from error
    return description


def open_packed(folder: Path, size: Size | None = None, crop: Size | None = None) -> ImageSet:
    """Open a packed set without reading its pixels.

    ``size`` is the (height, width) that the networks draw, None for the images' own; where it is smaller, the set is
    used through windows of that size (see :class:`ImageSet`). ``crop`` must have been cut from the originals, None for
    whatever was. Raises TinyganError where a file is missing or damaged, UsageError where ``size`` or ``crop`` is not
    what the set was made with.
    """
    description = read_description(folder)
    count, own = description["count"], (description["height"], description["width"])
    if size is not None and (size[0] > own[0] or size[1] > own[1]):
        raise UsageError(f"{folder} holds images of {shown(own)}, too small for --image-size {shown(size)}")
    if crop is not None and list(crop) != description["crop"]:
        raise UsageError(f"{folder} was packed with another crop than --crop-size {shown(crop)}: leave the option out")
    images = _map(folder / IMAGES, (count, *own, 3))
    labels = None
    if description["classes"] or (folder / LABELS).exists():
        labels = np.array(_map(folder / LABELS, (count,), "<i8"), np.int64)
        check_labels(folder, labels, description)
    stored = description["split"]
    train = np.array(_map(folder / TRAIN, (stored["train"],), "<i8"), np.int64)
    try:
        division = split_from_json(stored, train, count)
    except ValueError as error:
        raise damaged(folder / DESCRIPTION, f"split: {error}") from error
    if with_split(description["pixels"], division) != description["fingerprint"]:
        raise damaged(folder / TRAIN, f"it or the split in {DESCRIPTION} is not what was packed")
    source = printable(f"{description['summary']}, packed in {folder}")
    return ImageSet(description["dataset"], images, labels, source, division, size or own, description["fingerprint"])


def check_labels(folder: Path, labels: np.ndarray, description: dict) -> None:
    """Raise TinyganError unless the labels are those that were packed, as far as ``description`` knows them."""
    sizes, checksum = list(description["classes"].values()), description.get("checksums", {}).get(LABELS)
    known = sum(sizes) == len(labels)  # classes whose names print the same are one in the description
    within = labels.min() >= 0 and (not known or labels.max() < len(sizes))
    if not within or (known and np.bincount(labels, minlength=len(sizes)).tolist() != sizes):
        raise damaged(folder / LABELS, f"its classes are not of the sizes that {DESCRIPTION} names")
    if checksum and checksum_of(folder / LABELS) != checksum:
        raise damaged(folder / LABELS, "wrong check sum")


def checksum_of(path: Path) -> str:
    """``sha256:<hex>`` of a whole file."""
    with open(path, "rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _map(path: Path, shape: tuple[int, ...], kind: str = "|u1") -> np.ndarray:
    """A file that begins with :func:`header`, mapped into memory after making sure that all of it is there."""
    expected = HEADER_BYTES + math.prod(shape) * np.dtype(kind).itemsize
    if not path.is_file():
        raise damaged(path, "it is missing")
    with open(path, "rb") as file:
        beginning = file.read(HEADER_BYTES)
        length = os.fstat(file.fileno()).st_size
    if beginning != header(shape, kind):
        raise damaged(path, f"it does not begin as an array of shape {shape}")
    if length != expected:
        raise damaged(path, f"{length} bytes, not {expected}")
    return np.asarray(np.memmap(path, kind, "r", HEADER_BYTES, shape))


def damaged(path: Path, what: object) -> TinyganError:
    """The line for a file of a packed set that is not what it was."""
    return TinyganError(f"{path} is damaged ({what}); delete the folder and prepare it again with data_prep.py")
