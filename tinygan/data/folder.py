"""Any folder of images as a data set: every file decoded, fitted and kept in memory as bytes."""

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from tinygan.data.imageset import ImageSet
from tinygan.data.transform import Size, fit
from tinygan.errors import TinyganError, UsageError

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
FORMATS = ("JPEG", "PNG", "WEBP", "BMP")  # the only decoders that a file's bytes can choose, whatever its name
LARGEST_IMAGE = 50_000_000  # pixels; a file of some kilobytes may claim far more and fill the memory
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
    paths, links = _find(data_dir)
    if not paths:
        left_out = f" (left out: {links} symbolic links that lead out of it)" if links else ""
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
    return ImageSet(name, images, None, source)


def _find(root: Path) -> tuple[list[Path], int]:
    """The image files below ``root``, sorted, and the number of links left out because they lead out of it."""
    paths, links, home = [], 0, root.resolve()
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = [name for name in subfolders if not name.startswith(".") and name != "__MACOSX"]
        for name in files:
            path = Path(folder, name)
            if name.startswith(".") or path.suffix.lower() not in EXTENSIONS or not path.is_file():
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(home):
                links += 1
            else:
                paths.append(path)
    return sorted(paths, key=lambda path: path.relative_to(root).as_posix()), links


def _decode_all(paths: list[Path], images: np.ndarray, crop: Size | None) -> dict[int, Exception]:
    """Fill ``images`` (N, H, W, 3) and return the reason for each file that was skipped, in order."""

    def decode_block(start: int) -> tuple[int, dict[int, Exception]]:
        stop = min(start + BLOCK, len(paths))
        return stop - start, dict(_decode(range(start, stop), paths, images, crop))

    skipped = {}
    pool = ThreadPoolExecutor(os.cpu_count())  # threads are enough: Pillow decodes and scales without Python's lock
    try:
        with warnings.catch_warnings(), tqdm(total=len(paths), desc="images", unit="file", disable=None) as bar:
            warnings.simplefilter("ignore")  # Pillow's remarks on odd files: they are decoded, or skipped and counted
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
            with Image.open(paths[k], formats=FORMATS) as image:
                if image.width * image.height > LARGEST_IMAGE:
                    raise ValueError(f"{image.width}x{image.height} pixels are more than {LARGEST_IMAGE}")
                images[k] = np.asarray(fit(ImageOps.exif_transpose(image), images.shape[1:3], crop))
        except MemoryError:
            raise
        except Exception as error:  # decoders meet damage with nearly any type of exception
            yield k, error


def _describe(paths: list[Path], skipped: dict[int, Exception]) -> str:
    number, error = next(iter(skipped.items()))
    reason = "no readable JPEG, PNG, WebP or BMP" if isinstance(error, Image.UnidentifiedImageError) else error
    return " ".join(f"{paths[number]}: {reason}".split())
