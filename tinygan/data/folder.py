"""Any folder of images as a data set: every file decoded, fitted and kept in memory as bytes."""

import os
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygan.bars import tqdm
from tinygan.data.decode import decode_items, quiet_decoders, read_file, reason
from tinygan.data.imageset import ImageSet
from tinygan.data.transform import Size
from tinygan.errors import TinyganError, UsageError
from tinygan.runtime.cores import core_count
from tinygan.runtime.threads import thread_started
from tinygan.text import printable

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
BROKEN_SHARE = 0.01  # of the files may be undecodable; above that something is wrong with the folder
BLOCK = 64  # files for one thread at a time


def load(data_dir: Path, size: Size, crop: Size | None, name: str) -> ImageSet:
    """Read all JPEG, PNG, WebP and BMP files below ``data_dir``, flat or in sub-folders, sorted by path; no labels.

    Every image is turned as its EXIF orientation says, then goes through :func:`tinygan.data.transform.fit`. Left
    out are hidden files and folders (among them macOS's ``._*``), ``__MACOSX``, and symbolic links that lead out of
    the folder, which are counted in ``source``. A file that cannot be decoded, claims more than 50 million pixels or
    is smaller than the crop is skipped and counted as well.

    Raises TinyganError where it is no folder, has no image in it, more than 1 % of the files are skipped (UsageError if
    the first of them was smaller than the crop), or they are too many for the memory.
    """
    if not data_dir.is_dir():
        raise TinyganError(f"{data_dir} is a file; unpack it if it is an archive and name the folder of images itself")
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
        source += f", {len(skipped)} of them skipped, the first: {_describe(*skipped[0])}"
    return ImageSet(name, images[: len(paths) - len(skipped)], None, printable(source))


class Found(NamedTuple):
    """What is below a folder, sorted by path."""

    paths: list[Path]  # image files
    links: list[Path]  # symbolic links, to folders or named as images, that lead out of the folder
    odd: list[Path]  # what else is named as an image, or might be a folder, and is neither: a link to nowhere, a pipe
    repeated: list[Path]  # links to folders of it whose images are found without them
    others: Counter[str]  # files that are not named as images, by extension


def find_images(root: Path) -> Found:
    """Walk through ``root``; hidden files and folders and ``__MACOSX`` are silently left out.

    A link to a folder is followed if it stays inside ``root`` and the folder is not found otherwise, as with folders
    of links into a hidden store. So each folder is read once, whatever circles the links make. Raises TinyganError
    where a folder in it cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise TinyganError(f"cannot read the folder {error.filename} ({error.strerror}); make it readable or move it")

    found, home = Found([], [], [], [], Counter()), os.path.realpath(root)
    starts, read = deque([root]), set()
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


def _decode_all(paths: list[Path], images: np.ndarray, crop: Size | None) -> list[tuple[Path, Exception]]:
    """Fill ``images`` (N, H, W, 3) from the front and return each file that was skipped, with the reason, in order."""
    skipped, kept = [], 0
    pool = ThreadPoolExecutor(core_count())  # threads are enough: Pillow decodes and scales without Python's lock
    try:
        with quiet_decoders(), tqdm(total=len(paths), desc="images", unit="file", disable=None) as bar:
            starts = range(0, len(paths), BLOCK)
            with thread_started():
                parts = [slice(start, start + BLOCK) for start in starts]
                blocks = pool.map(lambda part: decode_items(read_file, paths[part], images[part], crop), parts)
            for start, block in zip(starts, blocks, strict=True):
                # Closing the gaps in place: there may be no memory for a second array.
                images[kept : kept + len(block.images)] = block.images
                kept += len(block.images)
                skipped += [(paths[start + number], error) for number, error in block.skipped]
                bar.update(block.items)
                if len(skipped) > BROKEN_SHARE * len(paths):
                    error = UsageError if isinstance(skipped[0][1], UsageError) else TinyganError
                    raise error(f"more than 1 % of the images cannot be used, the first: {_describe(*skipped[0])}")
    finally:
        pool.shutdown(cancel_futures=True)
    return skipped


def _describe(path: Path, error: Exception) -> str:
    return f"{path}: {reason(error)}"
