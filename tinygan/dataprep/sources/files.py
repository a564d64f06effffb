"""A folder of image files: CelebA, exported LSUN, your own; flat or one sub-folder per class."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinygan.data.decode import read_file
from tinygan.data.folder import EXTENSIONS, find_images
from tinygan.data.packed import DESCRIPTION
from tinygan.dataprep.sources import Listing, Read, printable
from tinygan.errors import TinyganError

LINK = "symbolic link that leads out of the folder"


@dataclass(frozen=True)
class FolderSource:
    """All JPEG, PNG, WebP and BMP files below ``path``, sorted by path."""

    path: Path
    classes: bool = True  # the folders directly below are classes, if every image lies in one of at least two
    own_process = False

    def list(self, scratch: Path) -> Listing:
        """Names relative to the folder; its fingerprint covers names and file sizes. TinyganError for a packed set."""
        if not self.path.is_dir():
            raise TinyganError(f"--source {self.path} does not exist; name the folder of images")
        if (self.path / DESCRIPTION).exists():
            raise TinyganError(f"--source {self.path} is packed already; give it to train.py --data-dir")
        paths, links, odd, repeated, others = find_images(self.path)
        left_out = describe_others(others)
        if repeated:
            first = printable(repeated[0].relative_to(self.path).as_posix())
            left_out.append(f"{len(repeated)} links to folders whose images are read already (the first: {first})")
        if not paths:
            held = f"; it holds {'; '.join(left_out)}" if left_out else ""
            raise TinyganError(
                f"no images below {self.path}: looked for files named *{' '.join(EXTENSIONS)}{held}; check --source"
            )
        names = [path.relative_to(self.path).as_posix() for path in paths]
        digest = hashlib.sha256()
        for name, path in zip(names, paths, strict=True):
            digest.update(f"{name}\0{path.stat().st_size}\0".encode(errors="surrogateescape"))
        labels, classes = classes_of(names) if self.classes else (None, ())
        left = [(path, LINK) for path in links] + [(path, "no file: a link to nowhere, or a pipe") for path in odd]
        skipped = [(path.relative_to(self.path).as_posix(), why) for path, why in left]
        return Listing(names, f"sha256:{digest.hexdigest()}", labels, classes, skipped, left_out)

    @contextmanager
    def reader(self) -> Iterator[Read]:
        """From a name to the file's bytes."""
        yield lambda name: read_file(self.path / name)


def classes_of(names: Sequence[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Labels and class names from the first folder of each name; none if an image lies in no folder, or all in one."""
    folders = [name.partition("/")[0] if "/" in name else None for name in names]
    if None in folders or len(set(folders)) < 2:
        return None, ()
    classes = sorted(set(folders))
    numbers = {name: number for number, name in enumerate(classes)}
    return np.array([numbers[folder] for folder in folders], np.int64), tuple(classes)


def describe_others(others: dict[str, int]) -> list[str]:
    """One phrase about files that are not named as images; none where there are none."""
    kinds = ", ".join(f"{count} {printable(extension)}" for extension, count in sorted(others.items()))
    return [f"{sum(others.values())} files that are not named as images ({kinds})"] if others else []
