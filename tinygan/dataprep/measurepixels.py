"""One pass over a packed set's pixels: their check sum, mean and spread."""

import hashlib
import math
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygan.data.packed import HEADER_BYTES
from tinygan.data.transform import Size

ROWS = 256  # summed in float32 without rounding: 256 · 255² < 2²⁴
BLOCK_BYTES = 1 << 20  # read at once


class Pixels(NamedTuple):
    """Of all pixels: check sum, and mean and standard deviation of R, G and B on [0, 1]."""

    checksum: str
    mean: list[float]
    std: list[float]


def measure_pixels(path: Path, count: int, size: Size) -> Pixels:
    """Read ``images.npy`` once, a few rows at a time.

    The check sum is :meth:`tinygan.data.imageset.ImageSet.fingerprint` of these images with the usual split. The sums
    are exact, so the figures are the same on every machine.
    """
    width = 3 * size[1]
    digest = hashlib.sha256(repr((count, *size, 3)).encode())
    sums, squares = np.zeros(3, np.int64), np.zeros(3, np.int64)
    with open(path, "rb") as file:
        file.seek(HEADER_BYTES)
        while block := file.read(ROWS * width):
            digest.update(block)
            rows = np.frombuffer(block, np.uint8).reshape(-1, width).astype(np.float32)
            sums += rows.sum(axis=0).astype(np.int64).reshape(-1, 3).sum(axis=0)
            squares += np.einsum("rw,rw->w", rows, rows).astype(np.int64).reshape(-1, 3).sum(axis=0)
    pixels = count * size[0] * size[1]
    variances = [
        (pixels * int(square) - int(total) ** 2) / pixels**2 for total, square in zip(sums, squares, strict=True)
    ]
    return Pixels(
        f"sha256:{digest.hexdigest()}",
        [round(int(total) / pixels / 255, 6) for total in sums],
        [round(math.sqrt(variance) / 255, 6) for variance in variances],
    )


def pixels_crc(path: Path, length: int) -> int:
    """CRC-32 of the first ``length`` bytes of pixels in ``images.npy``."""
    crc = 0
    with open(path, "rb") as file:
        file.seek(HEADER_BYTES)
        while block := file.read(min(length, BLOCK_BYTES)):
            crc, length = zlib.crc32(block, crc), length - len(block)
    return crc
