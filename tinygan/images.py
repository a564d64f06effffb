"""Pictures for people: grids of images as PNG files."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from tinygan.files import write_atomically

GAP = 2  # pixels between the images of a grid


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Images in [0, 1], any float type, to 0..255, rounded to nearest; values outside are clipped."""
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)


def grid(images: np.ndarray, columns: int) -> np.ndarray:
    """uint8 images (N, H, W, 3) row by row in one picture, with black gaps; missing cells of the last row are black."""
    N, H, W, C = images.shape
    rows = -(-N // columns)
    picture = np.zeros((rows * (H + GAP) + GAP, columns * (W + GAP) + GAP, C), np.uint8)
    for index, image in enumerate(images):
        top, left = (index // columns) * (H + GAP) + GAP, (index % columns) * (W + GAP) + GAP
        picture[top : top + H, left : left + W] = image
    return picture


def save_grid(path: Path, images: np.ndarray, columns: int = 10) -> None:
    """Write images, uint8 or floats in [0, 1], (N, H, W, 3), as a grid in a PNG file, whole or not at all."""
    buffer = io.BytesIO()
    picture = grid(images if images.dtype == np.uint8 else to_uint8(images), columns)
    Image.fromarray(picture).save(buffer, format="png")
    write_atomically(path, buffer.getvalue())
