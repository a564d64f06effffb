"""The three products of a convolution launched: to the map, to the image, to the kernel; see implicit.cu.

All take float32, factors rounded to TF32, sums in float32 in a fixed order.
"""

import functools
from importlib import resources
from types import ModuleType
from typing import NamedTuple

import numpy as np

from benchmarks.candidates.tiling import TILES, Product, Tiling, best
from tinygan.array import Array, array_module
from tinygan.ops.cuda import launch
from tinygan.ops.cuda.patches import width
from tinygan.ops.window import Window

FILES = "tensor_core.cuh", "tile.cuh", "sides.cuh", "implicit.cu"


class Shape(NamedTuple):
    """The shape of a convolution but for the number of images: image (H, W, C), window, channels of the map.

    >>> shape = Shape((160, 160, 3), Window((4, 4), (2, 2), (1, 1)), 64)
    >>> shape.places
    (80, 80)
    >>> shape.product("correlate", 32)[:4]  # lines, columns, inner, phases
    (204800, 64, 48, 1)
    """

    image: tuple[int, int, int]
    window: Window
    features: int

    @property
    def places(self) -> tuple[int, int]:
        """How many the kernel has, (P, Q)."""
        return self.window.positions(self.image[:2])

    @property
    def kernel(self) -> tuple[int, int, int, int]:
        """The kernel's axes (kh, kw, C, K)."""
        return (*self.window.kernel, self.image[2], self.features)

    def product(self, name: str, images: int) -> Product:
        """``correlate``, ``to_image`` or ``to_kernel`` as a product of matrices."""
        (height, wide, channels), (kernel, stride, _) = self.image, self.window
        taps, places = kernel[0] * kernel[1], images * self.places[0] * self.places[1]
        elements = images * height * wide * channels + taps * channels * self.features + places * self.features
        single = bool(self.features % 4) or (name != "to_image" and bool(channels % 4))
        if name == "correlate":
            return Product(places, self.features, taps * channels, 1, elements, single)
        if name == "to_kernel":
            return Product(taps * channels, self.features, places, 1, elements, single)
        near, phase = (-(-np.array(sides) // stride) for sides in (kernel, (height, wide)))
        pixels, inner = images * int(phase.prod()), int(near.prod()) * self.features
        return Product(pixels, channels, inner, stride[0] * stride[1], elements, single)

    def constants(self) -> dict[str, int]:
        """What the compiler is told; the names of sides.cuh."""
        values = dict(zip(("HEIGHT", "WIDTH", "CHANNELS"), self.image, strict=True)) | {"FEATURES": self.features}
        values |= dict(zip(("ROWS", "COLUMNS"), self.places, strict=True))
        for name, pair in zip(("KERNEL", "STRIDE", "PAD"), self.window, strict=True):
            values |= {f"{name}_H": pair[0], f"{name}_W": pair[1]}
        # A chunk of channels is a slice of the inner axis, or what memory brings at once; all of them if that does not
        # divide them.
        chunks = (("CHANNELS", self.image[2], 16), ("FEATURES", self.features, 16), ("LINES", self.image[2], 32))
        return values | {
            f"CHUNK_OF_{name}": size if channels % size == 0 else channels for name, channels, size in chunks
        }


def source(tile: tuple[int, int], wide_image: int, wide_map: int, pairs: bool) -> str:
    """The CUDA source for a tile, for ``wide`` channels that memory gives at once, and for results written in pairs."""
    names = {
        "TILE_M": tile[0],
        "TILE_N": tile[1],
        "WARP": TILES[tile].warp,
        "WIDE_IMAGE": wide_image,
        "WIDE_MAP": wide_map,
        "PAIRS": int(pairs),
    }
    lines = [f"#define {name} {value}\n" for name, value in names.items()]
    lines.append((resources.files("tinygan.ops.cuda") / "prelude.cuh").read_text(encoding="utf-8"))
    for file in FILES:
        lines.append(f'#line 1 "{file}"\n' + (resources.files(__package__) / file).read_text(encoding="utf-8"))
    return "".join(lines)


def correlate(image: Array, w: Array, shape: Shape, b: Array | None = None) -> Array:
    """U(image)·w + b: (N, H, W, C) -> (N, P, Q, K)."""
    out = array_module(image).empty((len(image), *shape.places, shape.features), image.dtype)
    _run("correlate", shape, image, w, out, b)
    return out


def to_image(map: Array, w: Array, shape: Shape, b: Array | None = None) -> Array:
    """Uᵀ(map·wᵀ) + b: (N, P, Q, K) -> (N, H, W, C)."""
    out = array_module(map).empty((len(map), *shape.image), map.dtype)
    _run("to_image", shape, map, w, out, b)
    return out


def to_kernel(image: Array, map: Array, shape: Shape, total: Array | None = None) -> Array:
    """U(image)ᵀ·map (kh, kw, C, K), added to ``total`` in place if that is given."""
    out = array_module(image).empty(shape.kernel, image.dtype) if total is None else total
    _run("to_kernel", shape, image, map, out, None, total is not None)
    return out


def _run(name: str, shape: Shape, a: Array, b: Array, out: Array, bias: Array | None, accumulate: bool = False) -> None:
    launch_tiles(name, shape, best(shape.product(name, len(a))), a, b, out, bias, accumulate)


def launch_tiles(
    name: str, shape: Shape, chosen: Tiling, a: Array, b: Array, out: Array, bias: Array | None, accumulate: bool
) -> None:
    """One product with a given tiling: its kernel, and the one that adds up the parts of tiles that were shared out."""
    xp, images, left = array_module(out), len(a), chosen.tiles - chosen.whole
    # Not written where none is left.
    parts_of = xp.empty((left * chosen.parts, *chosen.tile), out.dtype) if left else out
    # Which of the two is read along the image's channels, and which along the map's: a kernel has the map's innermost.
    wide_image = width(shape.image[2], *((a,) if name != "to_image" else ()))
    wide_map = width(shape.features, *((a, b) if name == "to_image" else (b,)))
    pairs = out.shape[-1] % 2 == 0 and out.data.ptr % 8 == 0
    of = chosen.tile, wide_image, wide_map, pairs, tuple(shape.constants().items())
    more = (int(accumulate),) if name == "to_kernel" else (int(bias is not None), out if bias is None else bias)
    threads = 32 * TILES[chosen.tile].warps(chosen.tile)
    numbers = chosen.whole, chosen.parts, chosen.share, *more
    _start(xp, f"{name}_tiles", of, chosen.blocks, threads, (a, b, images, *numbers, parts_of, out))
    if left:
        blocks, numbers = left * chosen.tile[0] * chosen.tile[1] // launch.BLOCK, (chosen.whole, chosen.parts, *more)
        numbers = numbers if name == "to_kernel" else (images, *numbers)
        _start(xp, f"{name}_parts", of, blocks, launch.BLOCK, (parts_of, *numbers, out))


def _start(xp: ModuleType, kernel: str, of: tuple, number: int, threads: int, arguments: tuple) -> None:
    given = tuple(launch._argument(value, kernel, np.dtype(np.float32)) for value in arguments)
    _function(xp, kernel, *of)((number,), (threads,), given)


@functools.cache
def _function(xp: ModuleType, kernel: str, *of):
    return _module(xp, *of).get_function(kernel)


@functools.cache
def _module(xp: ModuleType, tile: tuple[int, int], wide_image: int, wide_map: int, pairs: bool, constants: tuple):
    options = launch.definitions(np.float32, constants)
    return xp.RawModule(code=source(tile, wide_image, wide_map, pairs), options=options)
