"""A batch of images out of a data set of bytes on the device."""

import numpy as np

from tinygan.array import Array, array_module
from tinygan.ops.cuda.launch import launch


def gather_images(images: Array, places: Array, size: tuple[int, int], dtype: np.dtype) -> Array:
    out = array_module(images).empty((len(places), *size, 3), dtype)
    launch("gather", "gather_images", out.size, images, places, out.size, out, **constants(images.shape[1:3], size))
    return out


def constants(of_set: tuple[int, int], size: tuple[int, int]) -> dict[str, int]:
    """What the compiler is told: (H, W) of the set's images and (h, w) of the windows."""
    return dict(zip(("SET_HEIGHT", "SET_WIDTH", "HEIGHT", "WIDTH"), (*of_set, *size), strict=True))
