"""CelebA's official partition: which images its authors meant for training, validation and test."""

import codecs
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from tinygan.dataprep.sources import printable
from tinygan.errors import TinyganError, UsageError

SEPARATORS = str.maketrans(',;"', "   ")
LARGEST_FILE = 64 << 20  # bytes; the genuine one has 3 MB


def read_partition(path: Path, items: Sequence[str]) -> np.ndarray:
    """The code of each item, found by file name: 0 training, 1 validation, 2 test; int64 (N,).

    ``path`` is ``list_eval_partition.txt`` ("000001.jpg 0" per line) or Kaggle's ``.csv`` ("image_id,partition", then
    "000001.jpg,0" per line), also as editors and spreadsheets save them: UTF-8 or UTF-16 with a byte order mark, any
    line ends, quotes, tabs or semicolons. Raises TinyganError where it cannot be read, or is no such list; UsageError
    where it says nothing about one of the items.
    """
    try:
        with open(path, "rb") as file:
            lines = _text(file.read(LARGEST_FILE)).splitlines()
    except UnicodeDecodeError as error:
        raise TinyganError(f"--partition {path} is no text; name CelebA's list_eval_partition.txt") from error
    except OSError as error:
        raise TinyganError(f"--partition {path} cannot be read ({error.strerror}); check the path") from error
    codes: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        words = line.translate(SEPARATORS).split()
        if not words or (number == 1 and words == ["image_id", "partition"]):
            continue
        if len(words) != 2 or words[1] not in ("0", "1", "2") or words[0] in codes:
            raise TinyganError(
                f"--partition {path}, line {number} is {printable(line[:60])!r}, not an image's name and 0, 1 or 2, "
                "with each name once; get list_eval_partition.txt again"
            )
        codes[words[0]] = int(words[1])
    names = [PurePosixPath(item).name for item in items]
    unknown = next((name for name in names if name not in codes), None)
    if unknown:
        raise UsageError(f"--partition {path} says nothing about {printable(unknown)}: it belongs to other images")
    return np.array([codes[name] for name in names], np.int64)


def _text(content: bytes) -> str:
    """Text in the encoding that its byte order mark names, or else in UTF-8."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    return content.decode("utf-8-sig")
