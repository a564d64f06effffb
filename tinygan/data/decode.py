"""The bytes of one image file, from anywhere, to the pixels of a data set, with a word on what had to be changed."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps

from tinygan.data.transform import Size, fit

FORMATS = ("JPEG", "PNG", "WEBP", "BMP")  # the only decoders that a file's bytes can choose, whatever its name
LARGEST_IMAGE = 50_000_000  # pixels; a file of some kilobytes may claim far more and fill the memory
LARGEST_FILE = 200 << 20  # bytes


def decode(content: bytes, size: Size, crop: Size | None) -> tuple[np.ndarray, list[str]]:
    """Decode a JPEG, PNG, WebP or BMP file, turn it as its EXIF orientation says, and :func:`fit` it.

    Returns:
        pixels: uint8 (H, W, 3).
        notes: what was converted, one phrase each; empty for an RGB image of sufficient size.

    Raises:
        Exception: of nearly any type, if the bytes are no such image, are damaged, claim more than 50 million pixels,
            or the image is smaller than the crop; :func:`reason` makes a phrase of it.
    """
    if len(content) > LARGEST_FILE:
        raise ValueError(f"the file has more than {LARGEST_FILE >> 20} MB")
    if not content:
        raise ValueError("the file is empty")
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        if image.width * image.height > LARGEST_IMAGE:
            raise ValueError(f"{image.width}x{image.height} pixels are more than {LARGEST_IMAGE}")
        notes = list(_notes(image))
        turned = ImageOps.exif_transpose(image)
        height, width = crop or (turned.height, turned.width)
        if height < size[0] or width < size[1]:
            notes.append("smaller than the wanted size: enlarged")
        return np.asarray(fit(turned, size, crop)), notes


def _notes(image: Image.Image) -> Iterator[str]:
    """What decoding changes besides scale; :func:`tinygan.data.transform.to_rgb` does most of it."""
    if image.mode.startswith("I"):
        yield "16-bit grey: upper 8 bits kept"
    elif image.mode in ("1", "L", "LA"):
        yield "grey: repeated in R, G and B"
    elif image.mode == "CMYK":
        yield "CMYK: converted without colour profile"
    elif image.mode in ("P", "PA"):
        yield "palette: resolved"
    if image.has_transparency_data:
        yield "transparency: laid on black"
    if getattr(image, "is_animated", False):
        yield "animation: first frame taken"
    if image.getexif().get(ORIENTATION, 1) != 1:
        yield "EXIF orientation: turned upright"


ORIENTATION = 0x0112  # the EXIF tag


def reason(error: Exception) -> str:
    """Why an image was skipped, in one phrase."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "no readable JPEG, PNG, WebP or BMP"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Keep Pillow's remarks on odd files off the screen: they are decoded, or skipped and counted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
