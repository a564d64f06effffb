"""Patches as rows and their adjoint, one thread per value or four of them; compiled for each shape."""

from tinygan.array import Array, array_module
from tinygan.ops.cuda.launch import Kernels

_kernels = Kernels("patches")
Pair = tuple[int, int]


def unfold(image: Array, kernel: Pair, stride: Pair, pad: Pair, places: Pair) -> Array:
    """(N, H, W, C) -> (N·P·Q, kh·kw·C), ``places`` (P, Q) being how many places the kernel has."""
    N, *shape = image.shape
    patches = array_module(image).empty((N * places[0] * places[1], kernel[0] * kernel[1] * shape[2]), image.dtype)
    wide = width(shape[2], image, patches)
    count, shape = patches.size // wide, constants(shape, kernel, stride, pad, places, wide)
    _kernels("unfold", count, image, count, patches, **shape)
    return patches


def fold(
    patches: Array,
    kernel: Pair,
    stride: Pair,
    pad: Pair,
    places: Pair,
    shape: tuple[int, int, int, int],
    b: Array | None = None,
) -> Array:
    """(N·P·Q, kh·kw·C) -> ``shape`` (N, H, W, C): every pixel gathers what the patches that reach it hold for it.

    Plus b (C,), if given.
    """
    image = array_module(patches).empty(shape, patches.dtype)
    bias = int(b is not None), image if b is None else b  # not read where there is none
    wide = width(shape[3], patches, image)
    count, shape = image.size // wide, constants(shape[1:], kernel, stride, pad, places, wide)
    _kernels("fold", count, patches, *bias, count, image, **shape)
    return image


def width(channels: int, *arrays: Array) -> int:
    """How many neighbouring channels a thread takes: 4 if that divides them and the arrays lie as it takes."""
    return 4 if channels % 4 == 0 and all(array.data.ptr % 16 == 0 for array in arrays) else 1


def constants(
    image: tuple[int, int, int], kernel: Pair, stride: Pair, pad: Pair, places: Pair, wide: int
) -> dict[str, int]:
    """What the compiler is told: the shape without the number of images; ``image`` (H, W, C)."""
    values = {"HEIGHT": image[0], "WIDTH": image[1], "CHANNELS": image[2], "ROWS": places[0], "COLUMNS": places[1]}
    values["WIDE"] = wide
    for name, pair in (("KERNEL", kernel), ("STRIDE", stride), ("PAD", pad)):
        values |= {f"{name}_H": pair[0], f"{name}_W": pair[1]}
    return values
