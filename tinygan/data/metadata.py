"""Image files without what no pixel depends on, for those that Pillow refuses because of it."""

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
KEPT = (b"tRNS", b"eXIf")  # of a PNG's ancillary chunks, whose names begin with a small letter
REMARKS = {*range(0xE1, 0xEE), 0xEF, 0xFE}  # APP1 (EXIF) to APP15 and comments, but APP14, which says what CMYK means
SCAN = 0xDA  # the marker that the pixels follow


def without_metadata(content: bytes) -> bytes:
    """A PNG without texts, colour profile and the like, a JPEG without EXIF, profiles and comments; others unchanged.

    Pillow refuses a PNG whose texts unpack to more than 1 MB each or 64 MB together, or one of whose remarks is too
    short, and a JPEG with some forms of broken EXIF. A file that is cut off stays cut off.
    """
    if content.startswith(PNG):
        return b"".join(_png_chunks(content))
    return b"".join(_jpeg_segments(content)) if content.startswith(JPEG) else content


def _png_chunks(content: bytes):
    yield PNG
    at = len(PNG)
    while at < len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")  # length, kind, content, check sum
        kind = content[at + 4 : at + 8]
        if kind in KEPT or not kind[:1].islower():
            yield content[at:end]
        at = end


def _jpeg_segments(content: bytes):
    yield JPEG
    at = len(JPEG)
    while content[at : at + 1] == b"\xff" and content[at + 1 : at + 2] != bytes([SCAN]) and at + 4 <= len(content):
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")  # marker, then length with itself
        if content[at + 1] not in REMARKS:
            yield content[at:end]
        at = end
    yield content[at:]
