"""Any folder of images as a data set: every file decoded, fitted and kept in memory as bytes."""

import os
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygan.bars import tqdm
from tinygan.data.decode import decode, quiet_decoders, read_file, reason
from tinygan.data.imageset import ImageSet
from tinygan.data.transform import Size
from tinygan.errors import TinyganError, UsageError
from tinygan.runtime.cores import core_count
from tinygan.runtime.threads import thread_started
from tinygan.text import printable

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
BROKEN_SHARE = 0.01  # of the files may be undecodable; beyond it something is wrong with the folder
BLOCK = 64  # files for one thread at a time


def load(data_dir: Path, size: Size, crop: Size | None, name: str) -> ImageSet:
    """Read all JPEG, PNG, WebP and BMP files below ``data_dir``, flat or in sub-folders, sorted by path; no labels.

    Every image is turned as its EXIF orientation says, then goes through :func:`tinygan.data.transform.fit`. Left
    out are hidden files and folders (among them macOS's ``._*``), ``__MACOSX``, and symbolic links that lead out of
    the folder, which are counted in ``source``. A file that cannot be decoded, claims more than 50 million pixels or
    is smaller than the crop is skipped and counted as well.

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
    paths, links, odd, *_ = find_images(data_dir)
    counts = (len(links), "symbolic links that lead out of it"), (len(odd), "links to nowhere or pipes")
    left_out = ", ".join(f"{count} {what}" for count, what in counts if count)
    left_out = f" (left out: {left_out})" if left_out else ""
    if not paths:
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
    source = f"{len(paths)} image files below {data_dir}{left_out}"
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
        links: symbolic links, to folders or named as images, that lead out of the folder.
        odd: what else is named as an image, or might be a folder, and is neither: a link to nowhere, a pipe.
        repeated: links to folders of it whose images are found without them.
        others: files that are not named as images, by extension.
    """

    paths: list[Path]
    links: list[Path]
    odd: list[Path]
    repeated: list[Path]
    others: Counter[str]


def find_images(root: Path) -> Found:
    """Walk through ``root``; hidden files and folders and ``__MACOSX`` are passed over without a word.

    A link to a folder is followed if it stays inside ``root`` and the folder is not found otherwise, as with folders
    of links into a hidden store. So each folder is read once, whatever circles the links make.

    Raises:
        TinyganError: a folder in it cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise TinyganError(f"cannot read the folder {error.filename} ({error.strerror}); make it readable or move it")

    found, home = Found([], [], [], [], Counter()), os.path.realpath(root)
    starts, read = deque([Path(root)]), set()
    while starts:  # the folder itself, then those that links lead to
        start = starts.popleft()
        if not _is_inside(start, home):
            found.links.append(start)
        elif os.path.realpath(start) in read:
            found.repeated.append(start)
        else:
            for folder, subfolders, files in os.walk(start, onerror=refuse):
                subfolders[:] = sorted(name for name in subfolders if not name.startswith(".") and name != "__MACOSX")
                if os.path.realpath(folder) in read:
                    continue
                read.add(os.path.realpath(folder))
                starts += [Path(folder, name) for name in subfolders if Path(folder, name).is_symlink()]
                for name in files:
                    if not name.startswith("."):
                        _sort_in(Path(folder, name), home, found)
    for listed in found[:-1]:
        listed.sort(key=lambda path: path.relative_to(root).as_posix())
    return found


def _sort_in(path: Path, home: str, found: Found) -> None:
    lost = not path.suffix and path.is_symlink() and not path.exists()  # it may have been a folder of images
    if not lost and path.suffix.lower() not in EXTENSIONS:
        found.others[path.suffix.lower() or "without extension"] += 1
    elif not _is_inside(path, home):
        found.links.append(path)
    else:
        (found.paths if path.is_file() else found.odd).append(path)


def _is_inside(path: Path, home: str) -> bool:
    """Whether ``path`` is, or is a link to something, in the folder ``home``; ``realpath`` ends in any circle."""
    return not path.is_symlink() or Path(os.path.realpath(path)).is_relative_to(home)


def _decode_all(paths: list[Path], images: np.ndarray, crop: Size | None) -> dict[int, Exception]:
    """Fill ``images`` (N, H, W, 3) and return the reason for each file that was skipped, in order."""

    def decode_block(start: int) -> tuple[int, dict[int, Exception]]:
        stop = min(start + BLOCK, len(paths))
        return stop - start, dict(_decode(range(start, stop), paths, images, crop))

    skipped = {}
    pool = ThreadPoolExecutor(core_count())  # threads are enough: Pillow decodes and scales without Python's lock
    try:
        with quiet_decoders(), tqdm(total=len(paths), desc="images", unit="file", disable=None) as bar:
            with thread_started():
                blocks = pool.map(decode_block, range(0, len(paths), BLOCK))
            for count, broken in blocks:
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
