"""Every kind of PNG file, made byte by byte as its specification says (W3C PNG, third edition)."""

import struct
import zlib

import pytest
from PIL import Image

from tinygan.data.decode import decode

BLACK = [0, 0, 0]
PALETTE = [10, 20, 30, 200, 100, 50]
GREY, RGB, INDEXED, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
DEPTHS = {GREY: (1, 2, 4, 8, 16), RGB: (8, 16), INDEXED: (1, 2, 4, 8), GREY_ALPHA: (8, 16), RGBA: (8, 16)}
KINDS = [(colour, depth) for colour, depths in DEPTHS.items() for depth in depths]


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def packed(samples, depth):
    """A row of pixels (W, channels) as it lies in the file, unfiltered."""
    bits = "".join(f"{value:0{depth}b}" for pixel in samples for value in pixel)
    bits += "0" * (-len(bits) % 8)
    return b"\0" + int(bits, 2).to_bytes(len(bits) // 8, "big")


def png(samples, depth, colour, *chunks, interlaced=False):
    """One row of at most four pixels, samples (W, channels), twice."""
    rows = [samples, samples]
    if interlaced:  # Adam7: of four columns and two rows its first, fourth, sixth and seventh pass have something
        rows = [samples[:1], samples[2:3], samples[1::2], samples]
    pixels = b"".join(packed(row, depth) for row in rows if row)
    start = chunk(b"IHDR", struct.pack(">IIBBBBB", len(samples), 2, depth, colour, 0, 0, interlaced))
    end = chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + start + b"".join(chunks) + end


def row(content, width):
    pixels, notes = decode(content, (2, width), None)
    return pixels[0].tolist(), notes


def upper(value, depth):
    """The 8 bits that a sample of this depth becomes."""
    return value >> 8 if depth == 16 else value * 255 // (2**depth - 1)


def samples_of(colour, depth):
    """Three pixels, opaque if nothing else is said, and what they are in RGB."""
    top = 2**depth - 1
    if colour == INDEXED:
        return [[0], [1], [0]], [PALETTE[:3], PALETTE[3:], PALETTE[:3]]
    if colour in (GREY, GREY_ALPHA):
        greys = [0, top, top // 2 if depth > 1 else 1]
        return [[grey, top][: 1 + (colour == GREY_ALPHA)] for grey in greys], [[upper(g, depth)] * 3 for g in greys]
    colours = [[top, top // 3, 1], [0, top, top // 5], [top // 2, 0, top]]
    return [[*c, top][: 3 + (colour == RGBA)] for c in colours], [[upper(v, depth) for v in c] for c in colours]


def palette_of(colour):
    return [chunk(b"PLTE", bytes(PALETTE))] if colour == INDEXED else []


@pytest.mark.parametrize(("colour", "depth"), KINDS)
@pytest.mark.parametrize("interlaced", [False, True])
def test_every_colour_type_and_depth(colour, depth, interlaced):
    samples, expected = samples_of(colour, depth)
    pixels, notes = row(png(samples, depth, colour, *palette_of(colour), interlaced=interlaced), 3)
    assert pixels == expected
    assert ("16-bit" in " ".join(notes)) == (depth == 16)
    assert any("transparency" in note for note in notes) == (colour in (GREY_ALPHA, RGBA))


@pytest.mark.parametrize(("colour", "depth"), [kind for kind in KINDS if kind[0] in (GREY, RGB, INDEXED)])
@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("interlaced", [False, True])
def test_the_transparent_colour_is_laid_on_black_at_every_depth(colour, depth, which, interlaced):
    samples, expected = samples_of(colour, depth)
    hidden = struct.pack(f">{len(samples[which])}H", *samples[which])
    if colour == INDEXED:
        hidden = bytes(0 if index == samples[which][0] else 255 for index in range(2))
    chunks = *palette_of(colour), chunk(b"tRNS", hidden)
    pixels, notes = row(png(samples, depth, colour, *chunks, interlaced=interlaced), 3)
    assert pixels == [BLACK if s == samples[which] else rgb for s, rgb in zip(samples, expected, strict=True)]
    assert "transparency: laid on black" in notes


@pytest.mark.parametrize(("colour", "depth"), [(GREY_ALPHA, 8), (GREY_ALPHA, 16), (RGBA, 8), (RGBA, 16)])
def test_alpha_is_laid_on_black_at_every_depth(colour, depth):
    samples, expected = samples_of(colour, depth)
    samples[1][-1] = 0
    assert row(png(samples, depth, colour), 3)[0] == [expected[0], BLACK, expected[2]]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_16_bit_colour_is_transparent_only_if_both_of_its_bytes_are_equal(channels):
    samples = [[0x8001] * channels, [0x8002] * channels, [0x8101] * channels]
    hidden = chunk(b"tRNS", struct.pack(f">{channels}H", *samples[0]))
    pixels, _ = row(png(samples, 16, GREY if channels == 1 else RGB, hidden), 3)
    assert pixels == [BLACK, [0x80] * 3, [0x81] * 3]


def test_of_a_transparent_colour_only_the_bits_that_a_sample_has_count():
    for depth, colour, pixel in ((2, GREY, [1]), (4, GREY, [5]), (8, GREY, [5]), (8, RGB, [5, 6, 7])):
        hidden = chunk(b"tRNS", struct.pack(f">{len(pixel)}H", *(0xFFFF << depth & 0xFFFF | value for value in pixel)))
        pixels, _ = row(png([pixel, [3] * len(pixel)], depth, colour, hidden), 2)
        assert pixels == [BLACK, [upper(3, depth)] * 3]


def test_a_turned_file_keeps_its_transparent_colour():
    exif = Image.Exif()
    exif[0x0112] = 6
    hidden = chunk(b"tRNS", struct.pack(">HHH", 0x8001, 0, 0))
    content = png([[0x8001, 0, 0], [0x7000, 0, 0]], 16, RGB, hidden, chunk(b"eXIf", exif.tobytes()[6:]))
    pixels, notes = decode(content, (2, 2), None)
    assert pixels[..., 0].tolist() == [[0, 0], [0x70, 0x70]]
    assert "EXIF orientation: turned upright" in notes
