"""Patches as rows and their adjoint, the maps of ``ops/patches.py``, one thread per value of the result."""

from tinygan.array import Array, array_module
from tinygan.ops.cuda.launch import Kernels

_kernels = Kernels("patches")
Pair = tuple[int, int]


def unfold(image: Array, kernel: Pair, stride: Pair, pad: Pair, places: Pair) -> Array:
    """(N, H, W, C) -> (N·P·Q, kh·kw·C), ``places`` (P, Q) being how many places the kernel has."""
    N, H, W, C = image.shape
    patches = array_module(image).empty((N * places[0] * places[1], kernel[0] * kernel[1] * C), image.dtype)
    _kernels("unfold", patches.size, image, H, W, C, *kernel, *stride, *pad, *places, patches.size, patches)
    return patches


def fold(
    patches: Array, kernel: Pair, stride: Pair, pad: Pair, places: Pair, shape: tuple[int, int, int, int]
) -> Array:
    """(N·P·Q, kh·kw·C) -> ``shape`` (N, H, W, C): every pixel gathers what the patches that reach it hold for it."""
    image = array_module(patches).empty(shape, patches.dtype)
    _kernels("fold", image.size, patches, *shape[1:], *kernel, *stride, *pad, *places, image.size, image)
    return image
