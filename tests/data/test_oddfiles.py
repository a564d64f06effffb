"""Texts, profiles and EXIF that would keep Pillow from reading an image."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.data.conftest import encoded, picture
from tests.data.test_png import chunk
from tinygan.data.decode import decode
from tinygan.data.oddfiles import without_metadata


def text_chunk(kind):
    long = zlib.compress(bytes(3 << 20))
    return {
        b"tEXt": chunk(kind, b"Comment\0" + b"x" * (3 << 20)),
        b"zTXt": chunk(kind, b"Comment\0\0" + long),
        b"iTXt": chunk(kind, b"Comment\0\1\0\0\0" + long),
        b"iCCP": chunk(kind, b"profile\0\0" + long),
    }[kind]


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"iCCP"])
@pytest.mark.parametrize("behind", [False, True])
def test_long_texts_cost_no_image(kind, behind):
    whole, text = encoded(picture(1), "PNG"), text_chunk(kind)
    at = whole.index(b"IEND" if behind else b"IDAT") - 4
    exif = Image.Exif()
    exif[0x0112] = 3
    content = whole[:at] + 30 * text + chunk(b"eXIf", exif.tobytes()[6:]) + whole[at:]
    pixels, notes = decode(content, (8, 8), None)
    assert np.array_equal(pixels, np.asarray(picture(1))[::-1, ::-1])
    assert notes == ["EXIF orientation: turned upright"]


@pytest.mark.parametrize("kind", [b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"tIME", b"acTL", b"fcTL", b"iCCP", b"abCd"])
def test_remarks_that_are_too_short_cost_no_image(kind):
    whole = encoded(picture(1), "PNG")
    at = whole.index(b"IDAT") - 4
    assert np.array_equal(decode(whole[:at] + chunk(kind, b"") + whole[at:], (8, 8), None)[0], picture(1))


def test_damage_in_a_file_with_long_texts_is_still_damage():
    whole = encoded(picture(1, 64, 64), "PNG")
    at = whole.index(b"IDAT") - 4
    content = whole[:at] + text_chunk(b"zTXt") + whole[at:]
    with pytest.raises(OSError, match="truncated"):
        decode(content[:-2000], (8, 8), None)


def test_nothing_else_is_taken_out_of_a_png():
    whole = encoded(picture(1), "PNG")
    at = whole.index(b"IDAT") - 4
    assert without_metadata(whole[:at] + text_chunk(b"tEXt") + whole[at:]) == whole
    assert without_metadata(b"GIF89a") == b"GIF89a"
    hidden = encoded(Image.new("L", (8, 8), 5), "PNG", transparency=5)
    assert without_metadata(hidden) == hidden
    assert without_metadata(whole[:-7] + b"\xff\xff") == whole[:-7] + b"\xff\xff"


def segment(marker, content):
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_nothing_else_is_taken_out_of_a_jpeg(mode):
    whole = encoded(picture(1, 16, 16).convert(mode), "JPEG")
    more = (
        segment(0xE1, b"Exif\0\0II") + segment(0xE2, b"ICC_PROFILE\0") + segment(0xFE, b"\xff\xda") + segment(0xEF, b"")
    )
    assert without_metadata(whole[:2] + more + whole[2:]) == whole
    for end in range(0, len(whole), 7):  # cut off anywhere, it stays cut off there
        assert without_metadata(whole[:end]) == whole[:end]


def test_a_jpeg_whose_exif_pillow_cannot_open_is_read():
    # A resolution of one byte: Pillow takes the second one while it opens the file.
    entries = [(0x011A, 7, 1, bytes(4)), (0x0128, 3, 1, b"\2\0\0\0")]
    fields = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + fields + bytes(4)
    whole = encoded(picture(1, 16, 16), "JPEG")
    content = whole[:2] + segment(0xE1, exif) + whole[20:]  # without the JFIF header, which says a resolution
    with pytest.raises(Image.UnidentifiedImageError):
        Image.open(io.BytesIO(content))
    assert np.array_equal(decode(content, (16, 16), None)[0], decode(whole, (16, 16), None)[0])
