"""The bytes of one image file, from anywhere, to the pixels of a data set, with notes on what was changed."""

import io
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from warnings import catch_warnings

import numpy as np
from PIL import Image

from tinygan.data.oddfiles import rawmode, settle_transparent_colour, without_metadata
from tinygan.data.transform import Size, fit
from tinygan.errors import TinyganError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")  # the only decoders that a file's bytes can choose, whatever its name
LARGEST_IMAGE = 50_000_000  # pixels; a file of some kilobytes may claim far more and fill the memory
LARGEST_FILE = 200 << 20  # bytes
ORIENTATION = 0x0112  # the EXIF tag; for each of its values, what turns the image upright
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# A context without Pillow's warnings on the screen: odd files are decoded, or skipped and counted.
quiet_decoders = partial(catch_warnings, action="ignore")


def decode(content: bytes, size: Size, crop: Size | None) -> tuple[np.ndarray, list[str]]:
    """Decode a JPEG, PNG, WebP or BMP file, turn it as its EXIF orientation says, and :func:`fit` it.

    Returns pixels, uint8 (H, W, 3), and notes on what was converted, one phrase each: none for an RGB image of
    sufficient size. Raises nearly any type of exception where the bytes are not such an image, are damaged or claim
    more than 50 million pixels, or where the image is smaller than the crop; :func:`reason` puts it into words.
    """
    image, notes = read_upright(content)
    height, width = crop or (image.height, image.width)
    if height < size[0] or width < size[1]:
        notes.append("smaller than the wanted size: enlarged")
    return np.asarray(fit(image, size, crop)), notes


def read_upright(content: bytes) -> tuple[Image.Image, list[str]]:
    """The image of a file, whole and upright, in whatever mode, with notes as of :func:`decode`."""
    if len(content) > LARGEST_FILE:
        raise ValueError(f"the file has more than {LARGEST_FILE >> 20} MB")
    if not content:
        raise ValueError("the file is empty")
    try:
        return _read(content)
    except (ValueError, Image.UnidentifiedImageError):
        plain = without_metadata(content)
        if len(plain) == len(content):
            raise
        return _read(plain)


def _read(content: bytes) -> tuple[Image.Image, list[str]]:
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        if image.width * image.height > LARGEST_IMAGE:
            raise ValueError(f"{image.width}x{image.height} pixels are more than {LARGEST_IMAGE}")
        notes = list(_notes(image))
        settle_transparent_colour(image, content)
        image.load()  # a PNG may say its orientation behind the pixels
        turn = UPRIGHT.get(_orientation(image))
        if turn is not None:
            notes.append("EXIF orientation: turned upright")
            image = image.transpose(turn)
        return image, notes


def _notes(image: Image.Image) -> Iterator[str]:
    """What decoding changes besides scale; :func:`tinygan.data.transform.to_rgb` does most of it."""
    if image.mode.startswith("I"):
        yield "16-bit grey: upper 8 bits kept"
    elif ";16" in rawmode(image):
        yield "16-bit colour: upper 8 bits kept"
    elif image.mode in ("1", "L", "LA"):
        yield "grey: repeated in R, G and B"
    elif image.mode == "CMYK":
        yield "CMYK: converted without colour profile"
    elif image.mode in ("P", "PA"):
        yield "palette: resolved"
    if image.has_transparency_data:
        yield "transparency: laid on black"
    if image.format == "MPO":  # a stereo pair, or what a phone keeps beside its picture
        yield "several pictures in one JPEG: first one taken"
    elif getattr(image, "is_animated", False):
        yield "animation: first frame taken"


def _orientation(image: Image.Image) -> object:
    """What the image's EXIF or XMP says, 1 to 8 if it makes sense; None where it cannot be read."""
    try:
        return image.getexif().get(ORIENTATION)
    except (SyntaxError, struct.error, ValueError, TypeError, LookupError, ArithmeticError, OSError):
        return None  # its pixels are whole, and nothing else of the EXIF matters here


def open_image(path: Path) -> tuple[Image.Image, list[str]]:
    """:func:`read_upright` of a file that a person names; TinyganError says why it cannot be used."""
    try:
        with quiet_decoders():
            return read_upright(read_file(path))
    except MemoryError:
        raise
    except Exception as error:  # decoders meet damage with nearly any type of exception
        raise TinyganError(f"{path} cannot be used: {reason(error)}") from error


class Block(NamedTuple):
    """What became of ``items`` items."""

    items: int
    images: np.ndarray  # uint8 (n, H, W, 3)
    skipped: list[tuple[int, Exception | str]]  # (number in the block, why) of the others; in words from a worker
    notes: Counter[str]  # how many were converted in what way


def decode_items(
    read: Callable[[Any], bytes | np.ndarray],
    items: Sequence,
    images: np.ndarray,
    crop: Size | None,
    stopped: Callable[[], bool] = lambda: False,
) -> Block:
    """Read, decode and fit items one after the other into ``images`` (N, H, W, 3), from the front.

    ``read`` gives an image file's bytes, or pixels uint8 (H, W, 3). An item that cannot be used is skipped. ``stopped``
    is asked before each item; once it is true the block ends there.
    """
    size, kept, done, skipped, notes = images.shape[1:3], 0, len(items), [], Counter()
    for number, item in enumerate(items):
        if stopped():
            done = number
            break
        try:
            content = read(item)
            if isinstance(content, np.ndarray):
                images[kept], changes = fit(Image.fromarray(content), size, crop), []
            else:
                images[kept], changes = decode(content, size, crop)
        except MemoryError:
            raise
        except Exception as error:  # decoders meet damage with nearly any type of exception
            skipped.append((number, error))
        else:
            notes.update(changes)
            kept += 1
    return Block(done, images[:kept], skipped, notes)


def read_file(path: Path) -> bytes:
    """A file's bytes, at most one more than :func:`decode` accepts."""
    with open(path, "rb") as file:
        return file.read(min(path.stat().st_size, LARGEST_FILE) + 1)


def reason(error: Exception) -> str:
    """Why an image was skipped, in one phrase."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "no readable JPEG, PNG, WebP or BMP"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
