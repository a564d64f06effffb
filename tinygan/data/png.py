"""A PNG's transparent colour at every depth, which Pillow leaves to its caller."""

import io

import numpy as np
from PIL import Image


def rawmode(image: Image.Image) -> str:
    """How the samples lie in a PNG file that is opened and not yet loaded, "L;4" or "RGB;16B" say; else ""."""
    return str(image.tile[0][3]) if image.format == "PNG" and image.tile else ""


def settle_transparent_colour(image: Image.Image, content: bytes) -> None:
    """Bring the transparent colour of an opened PNG (its tRNS chunk) to the scale of the pixels that Pillow gives.

    Pillow scales grey of 2 and 4 bits to 0..255 and halves colours of 16 bits, but leaves the transparent colour as it
    is in the file, so that no pixel ever equals it. Of 16-bit colours both bytes count: these pixels become black here.

    Args:
        image: not yet loaded.
        content: the file that it was opened from.
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
