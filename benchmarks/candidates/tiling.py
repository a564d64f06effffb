"""How a product is cut into tiles and parts, and how long it should take: a model, as in ``benchmarks.gpu_model``.

A block takes the longest of what its processor must do: multiply on tensor cores, issue its instructions, and receive its
slices from the L2 cache. The device takes as many rounds as there are blocks per processor, and at least the time of reading
and writing every array once. No rate is measured; each assumption stands below with its reason.
"""

import math
from typing import NamedTuple

from benchmarks.gpu_model import Assumptions, Cost

STEP = 16  # of the inner axis, as in tile.cuh
SHORTEST_PART = 8 * STEP  # of the inner axis: shorter ones would mostly wait for their first slice
MOST_PARTS = 64


class Tile(NamedTuple):
    """A warp's side of a tile, and its instructions per slice, as in the machine code for sm_90."""

    warp: int
    instructions: int

    def warps(self, tile: tuple[int, int]) -> int:
        """Of a block."""
        return tile[0] * tile[1] // self.warp**2


# By lines and columns.
TILES = {(256, 128): Tile(64, 390), (128, 128): Tile(64, 390), (256, 64): Tile(64, 430), (64, 64): Tile(32, 205)}
# mma.sync in TF32 on an H100: 495 TFLOP/s are those of wgmma; published measurements of the older instruction are at five
# to six eighths of it. Smaller devices issue less of everything.
TENSOR_CORES = 5 / 8 * 495e12 / 132
# Of a patch's side read from the L2 cache: taps in the same row of the kernel share pixels, which the L1 cache keeps.
FROM_L2 = 1 / 2
START = 1e-6  # of a block: its first slice, the indices before and the stores behind it


class Product(NamedTuple):
    """One of the three, as matrices: lines × columns, inner, times ``phases`` of their own; ``patches``: lines overlap.

    ``elements`` of the image, the kernel and the map: what is read or written at least.
    """

    lines: int
    columns: int
    inner: int
    phases: int
    patches: bool
    elements: int


class Tiling(NamedTuple):
    """A tile (lines, columns), the share of the inner axis that a block adds up, and the number of such parts."""

    tile: tuple[int, int]
    share: int
    parts: int


def best(product: Product) -> Tiling:
    """The tiling of least modelled time on the device that :class:`Assumptions` describes.

    >>> best(Product(102400, 128, 1024, 1, True, 0))
    Tiling(tile=(128, 128), share=1024, parts=1)
    """
    choices = [Tiling(tile, -(-product.inner // STEP) * STEP, 1) for tile in TILES]
    for tile in TILES:
        for wanted in range(2, min(MOST_PARTS, product.inner // SHORTEST_PART) + 1):
            share = -(-product.inner // wanted // STEP) * STEP
            choices.append(Tiling(tile, share, -(-product.inner // share)))
    return min(choices, key=lambda tiling: seconds(product, tiling, Assumptions()))


def blocks(product: Product, tiling: Tiling) -> int:
    """How many a launch has."""
    down, across = (-(-side // tile) for side, tile in zip(product[:2], tiling.tile, strict=True))
    return down * across * product.phases * tiling.parts


def seconds(product: Product, tiling: Tiling, device: Assumptions) -> float:
    """The product's time with its second kernel, where there are parts."""
    one = tile_cost(product, tiling, device).seconds
    return one if tiling.parts == 1 else one + finish_seconds(product, tiling, device)


def tile_cost(product: Product, tiling: Tiling, device: Assumptions) -> Cost:
    """The kernel in tiles: seconds, bytes, operations."""
    (lines, columns), number = tiling.tile, blocks(product, tiling)
    slices = tiling.share / STEP
    operations = 2 * lines * columns * STEP
    kind = TILES[tiling.tile]
    issue = kind.warps(tiling.tile) * kind.instructions * 32 * device.processors / device.instructions
    one = START + slices * max(operations / TENSOR_CORES, issue)
    rounds = math.ceil(number / device.processors)
    from_l2 = 4 * STEP * slices * number * (lines * (FROM_L2 if product.patches else 1) + columns)
    result = product.lines * product.columns * product.phases
    nbytes = 4 * (product.elements + (tiling.parts - 1) * result)
    memory = nbytes / (device.l2_bandwidth if nbytes < device.l2_size else device.memory_bandwidth)
    work = 2 * product.lines * product.columns * product.inner * product.phases
    return Cost(device.floor + max(rounds * one, from_l2 / device.l2_bandwidth, memory), nbytes, work)


def finish_seconds(product: Product, tiling: Tiling, device: Assumptions) -> float:
    """The kernel that adds up the parts."""
    nbytes = 4 * (tiling.parts + 1) * product.lines * product.columns * product.phases
    return device.floor + nbytes / (device.l2_bandwidth if nbytes < device.l2_size else device.memory_bandwidth)
