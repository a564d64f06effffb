"""A batch of images out of a data set of bytes on the device."""

import numpy as np

from tinygan.array import Array, array_module
from tinygan.ops.cuda.launch import Kernels

_kernels = Kernels("gather")


def gather_images(images: Array, places: Array, size: tuple[int, int], dtype: np.dtype) -> Array:
    out = array_module(images).empty((len(places), *size, 3), dtype)
    _kernels("gather_images", out.size, images, places, *images.shape[1:3], *size, out.size, out)
    return out
