"""Any folder of images as a data set: every file decoded, fitted and kept in memory as bytes."""

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from tinygan.data.decode import LARGEST_FILE, decode, quiet_decoders, reason
from tinygan.data.imageset import ImageSet
from tinygan.data.transform import Size
from tinygan.errors import TinyganError, UsageError
from tinygan.text import printable

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
BROKEN_SHARE = 0.01  # of the files may be undecodable; beyond it something is wrong with the folder
BLOCK = 64  # files for one thread at a time


def load(data_dir: Path, size: Size, crop: Size | None, name: str) -> ImageSet:
    """Read all JPEG, PNG, WebP and BMP files below ``data_dir``, flat or in sub-folders, sorted by path; no labels.

    Every image is turned as its EXIF orientation says, then goes through :func:`tinygan.data.transform.fit`. Left
    out are hidden files and folders (among them macOS's ``._*``), ``__MACOSX``, and symbolic links that lead out of
    the folder. A file that cannot be decoded, claims more than 50 million pixels or is smaller than the crop is
    skipped and counted in ``source``.

    Args:
        data_dir: the folder.
        size: (height, width) of the images in the set.
        crop: (height, width) cut from each image's centre first, or None.
        name: the data set's name.

    Raises:
        TinyganError: no such folder, no image in it, more than 1 % of the files skipped, or too many for the memory.
        UsageError: as before, when the first skipped file was smaller than the crop.
    """
    data_dir = Path(data_dir)
    if not data_dir.is_dir():
        what = "is a file; unpack it if it is an archive and name" if data_dir.exists() else "does not exist; name"
        raise TinyganError(f"{data_dir} {what} the folder of images itself")
    paths, links, _, _ = find_images(data_dir)
    if not paths:
        left_out = f" (left out: {len(links)} symbolic links that lead out of it)" if links else ""
        wanted = " ".join(EXTENSIONS)
        raise TinyganError(f"no images below {data_dir}: looked for files named *{wanted}{left_out}; check --data-dir")
    try:
        images = np.empty((len(paths), *size, 3), np.uint8)
    except MemoryError as error:
        gigabytes = len(paths) * size[0] * size[1] * 3 / 1e9
        raise TinyganError(
            f"{len(paths)} images of {size[0]}x{size[1]} from {data_dir} need {gigabytes:.0f} GB of memory; choose a "
            "smaller image size or fewer files"
        ) from error
    skipped = _decode_all(paths, images, crop)
    source = f"{len(paths)} image files below {data_dir}"
    if skipped:
        source += f", {len(skipped)} of them skipped, the first: {_describe(paths, skipped)}"
        kept = sorted(set(range(len(paths))) - set(skipped))
        for new, old in enumerate(kept):  # in place: there may be no memory for a second array
            images[new] = images[old]
        images = images[: len(kept)]
    return ImageSet(name, images, None, printable(source))


class Found(NamedTuple):
    """What is below a folder, sorted by path.

    Attributes:
        paths: image files.
        links: symbolic links, named as images, that lead out of the folder.
        odd: what else is named as an image and is no file: a link to nowhere, a pipe.
        others: files that are not named as images, by extension.
    """

    paths: list[Path]
    links: list[Path]
    odd: list[Path]
    others: Counter[str]


def find_images(root: Path) -> Found:
    """Walk through ``root``; hidden files and folders and ``__MACOSX`` are passed over without a word.

    Raises:
        TinyganError: a folder in it cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise TinyganError(f"cannot read the folder {error.filename} ({error.strerror}); make it readable or move it")

    paths, links, odd, others, home = [], [], [], Counter(), root.resolve()
    for folder, subfolders, files in os.walk(root, onerror=refuse):
        subfolders[:] = [name for name in subfolders if not name.startswith(".") and name != "__MACOSX"]
        for name in files:
            path = Path(folder, name)
            if name.startswith("."):
                continue
            if path.suffix.lower() not in EXTENSIONS:
                others[path.suffix.lower() or "without extension"] += 1
            elif path.is_symlink() and not path.resolve().is_relative_to(home):
                links.append(path)
            else:
                (paths if path.is_file() else odd).append(path)
    for listed in (paths, links, odd):
        listed.sort(key=lambda path: path.relative_to(root).as_posix())
    return Found(paths, links, odd, others)


def _decode_all(paths: list[Path], images: np.ndarray, crop: Size | None) -> dict[int, Exception]:
    """Fill ``images`` (N, H, W, 3) and return the reason for each file that was skipped, in order."""

    def decode_block(start: int) -> tuple[int, dict[int, Exception]]:
        stop = min(start + BLOCK, len(paths))
        return stop - start, dict(_decode(range(start, stop), paths, images, crop))

    skipped = {}
    pool = ThreadPoolExecutor(os.cpu_count())  # threads are enough: Pillow decodes and scales without Python's lock
    try:
        with quiet_decoders(), tqdm(total=len(paths), desc="images", unit="file", disable=None) as bar:
            for count, broken in pool.map(decode_block, range(0, len(paths), BLOCK)):
                bar.update(count)
                skipped |= broken
                if len(skipped) > BROKEN_SHARE * len(paths):
                    error = UsageError if isinstance(next(iter(skipped.values())), UsageError) else TinyganError
                    raise error(f"more than 1 % of the images cannot be used, the first: {_describe(paths, skipped)}")
    finally:
        pool.shutdown(cancel_futures=True)
    return skipped


def _decode(
    numbers: range, paths: list[Path], images: np.ndarray, crop: Size | None
) -> Iterator[tuple[int, Exception]]:
    """Write images[k] for each number k; yield (k, reason) for a file that has to be skipped."""
    for k in numbers:
        try:
            images[k], _ = decode(read_file(paths[k]), images.shape[1:3], crop)
        except MemoryError:
            raise
        except Exception as error:  # decoders meet damage with nearly any type of exception
            yield k, error


def _describe(paths: list[Path], skipped: dict[int, Exception]) -> str:
    number, error = next(iter(skipped.items()))
    return f"{paths[number]}: {reason(error)}"


def read_file(path: Path) -> bytes:
    """A file's bytes, but not many more than :func:`decode` takes."""
    with open(path, "rb") as file:
        return file.read(LARGEST_FILE + 1)
