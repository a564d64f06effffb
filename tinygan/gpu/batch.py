"""A batch of images out of a data set of bytes on the device."""

import numpy as np

from tinygan.backend import Array, array_module
from tinygan.gpu.launch import Kernels

_kernels = Kernels("batch")


def gather_images(images: Array, indices: Array, dtype: np.dtype) -> Array:
    """images[indices]/255: uint8 (M, H, W, 3) and int64 (B,) to ``dtype`` (B, H, W, 3) in [0, 1]."""
    shape = (len(indices), *images.shape[1:])
    out = array_module(images).empty(shape, dtype)
    _kernels("gather_images", out.size, images, indices, out.size // shape[0], out.size, out)
    return out
