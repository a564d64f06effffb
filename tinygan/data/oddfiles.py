"""What Pillow refuses though no pixel depends on it, and the transparent colours that it leaves to its caller."""

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
KEPT = (b"tRNS", b"eXIf")  # the ancillary chunks of a PNG that stay; the names of all of them begin with a small letter
REMARKS = {*range(0xE1, 0xEE), 0xEF, 0xFE}  # APP1 (EXIF) to APP15 and comments; not APP14, which says how CMYK is meant
SCAN = 0xDA  # the marker that the pixels follow


def without_metadata(content: bytes) -> bytes:
    """A PNG without texts, colour profile and the like, a JPEG without EXIF, profiles and comments; others unchanged.

    Pillow refuses a PNG whose texts unpack to more than 1 MB each or 64 MB together, or one of whose remarks is too
    short, and a JPEG with some forms of broken EXIF. A file that is cut off stays cut off.
    """
    if content.startswith(PNG):
        return b"".join(_png_chunks(content))
    return b"".join(_jpeg_segments(content)) if content.startswith(JPEG) else content


def _png_chunks(content: bytes) -> Iterator[bytes]:
    yield PNG
    at = len(PNG)
    while at < len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")  # length, kind, content, check sum
        kind = content[at + 4 : at + 8]
        if kind in KEPT or not kind[:1].islower():
            yield content[at:end]
        at = end


def _jpeg_segments(content: bytes) -> Iterator[bytes]:
    yield JPEG
    at = len(JPEG)
    while content[at : at + 1] == b"\xff" and content[at + 1 : at + 2] != bytes([SCAN]) and at + 4 <= len(content):
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")  # marker, then length with itself
        if content[at + 1] not in REMARKS:
            yield content[at:end]
        at = end
    yield content[at:]


def rawmode(image: Image.Image) -> str:
    """How the samples lie in a PNG file that is opened and not yet loaded, "L;4" or "RGB;16B" say; else ""."""
    return str(image.tile[0][3]) if image.format == "PNG" and image.tile else ""


def settle_transparent_colour(image: Image.Image, content: bytes) -> None:
    """Bring the transparent colour of a PNG (its tRNS chunk) to the scale of the pixels that Pillow gives.

    Pillow scales grey of 2 and 4 bits to 0..255 and halves colours of 16 bits, but leaves the transparent colour as it
    is in the file, so that no pixel ever equals it. Of 16-bit colours both bytes count: these pixels become black here.
    ``image`` is opened from ``content``, and not yet loaded.
    """
    key, raw = image.info.get("transparency"), rawmode(image)
    if key is None:
        return
    if raw in ("L;2", "L;4"):
        top = 2 ** int(raw[2:]) - 1
        image.info["transparency"] = (key & top) * 255 // top  # the specification: only as many bits as a sample has
    elif raw == "1":
        image.info["transparency"] = 255 * bool(key)  # so far only the newest Pillow scales this one
    elif raw == "RGB;16B":
        with Image.open(io.BytesIO(content), formats=("PNG",)) as other:
            other.tile = [(*tile[:3], "RGB;16L") for tile in other.tile]  # read in the wrong order: the lower bytes
            low = np.asarray(other, np.int64)
        match = ((np.asarray(image, np.int64) << 8 | low) == key).all(axis=2)
        image.paste((0, 0, 0), mask=Image.fromarray(match))
        del image.info["transparency"]
