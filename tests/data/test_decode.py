"""Photographs with odd EXIF, and with more than one picture in them."""

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.data.conftest import encoded, picture
from tinygan.data.decode import UPRIGHT, decode, quiet_decoders, read_upright

SHORT, LONG, ASCII, BYTE, RATIONAL, DOUBLE = 3, 4, 2, 1, 5, 12
TURNED = "EXIF orientation: turned upright"


@pytest.fixture(autouse=True)
def quiet():
    """As whoever decodes files does it: Pillow remarks on each of these."""
    with quiet_decoders():
        yield


def exif(*entries, order="<"):
    """EXIF data from (tag, type, count, four bytes) each; no more than these bytes is there."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    fields = b"".join(struct.pack(order + "HHI", *entry[:3]) + entry[3] for entry in entries)
    return b"Exif\0\0" + head + struct.pack(order + "H", len(entries)) + fields + bytes(4)


def orientation(value, order="<"):
    return 0x0112, SHORT, 1, struct.pack(order + "HH", value, 0)


def photo(data, form="JPEG"):
    return encoded(picture(1, 16, 24), form, exif=data)


def plain(form="JPEG"):
    """The pixels of the same file without EXIF."""
    return decode(encoded(picture(1, 16, 24), form), (16, 24), None)[0]


def test_every_orientation_is_turned_as_the_standard_says():
    for value in range(1, 9):
        image, notes = read_upright(photo(exif(orientation(value))))
        assert np.array_equal(image, upright(value))
        assert notes == ([TURNED] if value in UPRIGHT else [])


def upright(value):
    """EXIF 2.3, 4.6.4 A: which side of the picture the first row and the first column are."""
    rows, columns = {1: "top left", 2: "top right", 3: "bottom right", 4: "bottom left",
                     5: "left top", 6: "right top", 7: "right bottom", 8: "left bottom"}[value].split()  # fmt: skip
    stored = plain()
    if rows in ("left", "right"):
        stored = stored.transpose(1, 0, 2)
        rows, columns = columns, rows
    return stored[:: 1 if rows == "top" else -1, :: 1 if columns == "left" else -1]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_orientations_that_mean_nothing_turn_and_count_nothing(form):
    odd = {
        "0": exif(orientation(0)),
        "9": exif(orientation(9)),
        "65535": exif(orientation(65535)),
        "text": exif((0x0112, ASCII, 4, b"top\0")),
        "6 as text": exif((0x0112, ASCII, 2, b"6\0\0\0")),
        "none": exif((0x0112, SHORT, 0, bytes(4))),
        "outside": exif((0x0112, SHORT, 9, b"\xff\xff\xff\x7f")),
        "unknown type": exif((0x0112, 99, 1, struct.pack("<HH", 6, 0))),
    }
    for what, data in odd.items():
        pixels, notes = decode(photo(data, form), (16, 24), None)
        assert notes == [], what
        assert np.array_equal(pixels, plain(form)), what


def test_another_type_of_whole_number_is_understood():
    for order in "<>":
        data = exif((0x0112, LONG, 1, struct.pack(order + "I", 6)), order=order)
        assert decode(photo(data), (16, 24), None)[1] == [TURNED, "smaller than the wanted size: enlarged"]


# Pillow's own exif_transpose writes all of the EXIF anew and fails at any of these.
ODD_ENTRIES = {
    "text in place of a number": (0x0100, ASCII, 4, b"abc\0"),
    "a number in place of text": (0x010F, LONG, 1, bytes(4)),
    "a resolution without a denominator": (0x011A, RATIONAL, 1, struct.pack("<I", 0)),
    "resolution as text": (0x011A, ASCII, 4, b"72\0\0"),
    "a double outside the data": (0x9286, DOUBLE, 1, b"\xff\xff\0\0"),
    "a sub-directory outside the data": (0x8769, LONG, 1, b"\xff\xff\xff\x7f"),
    "a sub-directory that is text": (0x8769, ASCII, 4, b"abc\0"),
    "an interoperability directory that is itself": (0xA005, LONG, 1, struct.pack("<I", 8)),
    "bytes": (0x0128, BYTE, 4, b"\xff\xff\xff\xff"),
    "an unknown type": (0x0131, 77, 1, bytes(4)),
}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("what", ODD_ENTRIES)
def test_an_odd_tag_costs_no_image(what, form):
    entry = ODD_ENTRIES[what]
    entries = sorted([orientation(6), entry], key=lambda one: one[0])
    image, notes = read_upright(photo(exif(*entries), form))
    assert np.array_equal(image, np.rot90(plain(form), -1))
    assert notes == [TURNED]


@pytest.mark.parametrize(
    "data",
    [
        b"Exif\0\0",
        b"Exif\0\0II",
        b"Exif\0\0XX*\0\x08\0\0\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        exif(orientation(6))[:-8],
    ],
)
def test_exif_that_is_none_costs_no_image(data):
    pixels, notes = decode(photo(data), (16, 24), None)
    assert notes == []
    assert np.array_equal(pixels, plain())


def test_random_exif_costs_no_image():
    rng, good = np.random.default_rng(0), bytearray(exif(orientation(6), *ODD_ENTRIES.values()))
    for _ in range(500):
        data = good.copy()
        for at in rng.integers(6, len(data), rng.integers(1, 12)):
            data[at] = rng.integers(256)
        image, notes = read_upright(photo(bytes(data)))
        assert image.size in ((24, 16), (16, 24))
        assert notes in ([], [TURNED])


def mpo(data=None):
    options = {"exif": data} if data else {}
    return encoded(picture(1, 16, 24), "MPO", save_all=True, append_images=[picture(2, 8, 8)], **options)


def test_a_second_picture_in_a_photograph_is_no_animation():
    pixels, notes = decode(mpo(), (16, 24), None)
    assert notes == ["several pictures in one JPEG: first one taken"]
    assert np.array_equal(pixels, plain())


def test_a_photograph_with_two_pictures_is_turned_like_any_other():
    image, notes = read_upright(mpo(exif(orientation(8))))
    assert notes == ["several pictures in one JPEG: first one taken", TURNED]
    assert np.array_equal(image, np.rot90(plain(), 1))


def test_the_second_picture_may_be_missing_or_damaged():
    whole = mpo()
    second = whole.rindex(b"\xff\xd8\xff")
    for content in (whole[:second], whole[: second + 20], whole + b"ftypmp42" * 1000):
        assert np.array_equal(decode(content, (16, 24), None)[0], plain())
    rng = np.random.default_rng(0)
    at = whole.index(b"MPF\0")
    for _ in range(200):
        content = bytearray(whole)
        for place in rng.integers(at + 4, at + 80, 3):
            content[place] = rng.integers(256)
        assert np.array_equal(decode(bytes(content), (16, 24), None)[0], plain())


def test_upright_is_what_pillow_makes_of_sound_exif():
    for value in range(1, 9):
        with Image.open(io.BytesIO(photo(exif(orientation(value))))) as image:
            theirs = ImageOps.exif_transpose(image)
        assert np.array_equal(read_upright(photo(exif(orientation(value))))[0], theirs)
