"""Pictures for people: grids of images as PNG files."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from tinygan.errors import InputError
from tinygan.files import write_atomically
from tinygan.output import make_new_folder

SHOWN_SIDE = 256  # pixels: about what a small image is enlarged to
GAP = 2  # pixels between the images of a grid
COMPRESSION = 1  # zlib's fastest: a third of the usual level's time, for files 5 to 15 % larger


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Images in [0, 1], any float type, to 0..255, rounded to nearest; values outside are clipped."""
    return np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)


def grid(images: np.ndarray, columns: int) -> np.ndarray:
    """uint8 images (N, H, W, 3) row by row in one picture, with black gaps; missing cells of the last row are black."""
    if images.dtype != np.uint8:
        raise InputError(f"expected images as bytes, uint8 (N, H, W, 3); found {images.dtype}: use to_uint8(images)")
    N, H, W, C = images.shape
    rows = -(-N // columns)
    picture = np.zeros((rows * (H + GAP) + GAP, columns * (W + GAP) + GAP, C), np.uint8)
    for index, image in enumerate(images):
        top, left = (index // columns) * (H + GAP) + GAP, (index % columns) * (W + GAP) + GAP
        picture[top : top + H, left : left + W] = image
    return picture


def enlarged(images: np.ndarray) -> np.ndarray:
    """Images (..., H, W, 3) by a whole factor, so that the shorter side has about 256 pixels; large ones as they are.

    Every pixel becomes a square: nothing is smoothed that the generator drew.
    """
    factor = max(1, round(SHOWN_SIDE / min(images.shape[-3:-1])))
    return images.repeat(factor, axis=-3).repeat(factor, axis=-2)


def save_png_folder(folder: Path, images: Iterable[np.ndarray]) -> None:
    """Write each image, uint8 (H, W, 3), into the new ``folder``: 000000.png, 000001.png and so on.

    Raises TinyganError where the folder exists and is not empty, or cannot be made.
    """
    make_new_folder(folder := Path(folder), "--png-folder")
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:06d}.png")


def save_gif(path: Path, frames: Iterable[np.ndarray], milliseconds: int | list[int]) -> None:
    """Write frames, uint8 (H, W, 3), as an endless animation, whole or not at all; how long one, or each, is shown."""
    pictures = map(Image.fromarray, frames)
    first = next(pictures)
    options = {"save_all": True, "append_images": pictures, "duration": milliseconds, "loop": 0}
    write_atomically(path, lambda file: first.save(file, format="gif", **options))


def save_grid(path: Path, images: np.ndarray, columns: int = 10) -> None:
    """Write images, uint8 or floats in [0, 1], (N, H, W, 3), as a grid in a PNG file, whole or not at all."""
    picture = Image.fromarray(grid(images if images.dtype == np.uint8 else to_uint8(images), columns))
    write_atomically(path, lambda file: picture.save(file, format="png", compress_level=COMPRESSION))
