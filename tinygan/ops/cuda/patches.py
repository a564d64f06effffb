"""Patches as rows, and their adjoint: one thread for each one or four values, compiled for each shape."""

import math

from tinygan.array import Array, array_module
from tinygan.ops.cuda.launch import launch
from tinygan.ops.window import Window


def unfold(image: Array, window: Window) -> Array:
    """(N, H, W, C) -> (N·H'·W', kh·kw·C); a view where the patches are rows already."""
    N, *shape = image.shape
    if _covers(window, shape):
        return image.reshape(N, -1)
    rows, length = N * math.prod(window.positions(shape[:2])), math.prod(window.kernel) * shape[2]
    patches = array_module(image).empty((rows, length), image.dtype)
    known = constants(shape, window, width(shape[2], image, patches))
    count = patches.size // known["WIDE"]
    launch("patches", "unfold", count, image, count, patches, **known)
    return patches


def fold(patches: Array, window: Window, shape: tuple[int, int, int, int], b: Array | None = None) -> Array:
    """(N·H'·W', kh·kw·C) -> ``shape`` (N, H, W, C): every pixel gathers what the patches that reach it hold for it.

    Plus b (C,), if given.
    """
    if _covers(window, shape[1:]):
        return plus(patches.reshape(shape), b)
    image = array_module(patches).empty(shape, patches.dtype)
    bias = int(b is not None), image if b is None else b  # the pointer is not read where there is none
    known = constants(shape[1:], window, width(shape[3], patches, image))
    count = image.size // known["WIDE"]
    launch("patches", "fold", count, patches, *bias, count, image, **known)
    return image


def plus(y: Array, b: Array | None) -> Array:
    """``y`` with b (C,) added in place, if there is one."""
    if b is not None:
        y += b
    return y


def width(channels: int, *arrays: Array) -> int:
    """How many neighbouring channels a thread takes: 4 if that divides them and the arrays are aligned to 16 bytes."""
    return 4 if channels % 4 == 0 and all(array.data.ptr % 16 == 0 for array in arrays) else 1


def constants(image: tuple[int, int, int], window: Window, wide: int) -> dict[str, int]:
    """What the compiler is told: the shape without the number of images; ``image`` (H, W, C)."""
    values = dict(zip(("HEIGHT", "WIDTH", "CHANNELS"), image, strict=True))
    values |= dict(zip(("ROWS", "COLUMNS"), window.positions(image[:2]), strict=True))
    for name, pair in zip(("KERNEL", "STRIDE", "PAD"), window, strict=True):
        values |= {f"{name}_H": pair[0], f"{name}_W": pair[1]}
    return values | {"WIDE": wide}


def _covers(window: Window, shape: tuple[int, int, int]) -> bool:
    """Whether the kernel covers the whole image, as in the discriminator's last layer."""
    return window.kernel == tuple(shape[:2]) and window.pad == (0, 0)
