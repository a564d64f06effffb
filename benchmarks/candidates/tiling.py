"""How a product is cut into tiles, and how long it should take: a model, as in ``benchmarks.gpu_model``.

A block takes the longest of what its processor must do for it: multiply on tensor cores, issue its instructions, and
move its slices through shared memory. The device takes as many rounds as there are blocks for a processor, at least the
time in which the L2 cache delivers all slices, and at least that of reading and writing every array once. Nothing of it
is measured; each assumption stands below with its reason.
"""

import functools
from typing import NamedTuple

from benchmarks.gpu_model import AHEAD, Assumptions, Cost

STEP = 16  # of the inner axis, as in tile.cuh
SHORTEST_PART = 8 * STEP  # of the inner axis: shorter ones would mostly wait for their first slice
MOST_PARTS = 128


class Tile(NamedTuple):
    """A warp's side of a tile; its instructions per slice in the machine code for sm_90, of the dearest product."""

    warp: int
    instructions: int

    def warps(self, tile: tuple[int, int]) -> int:
        """Of a block."""
        return tile[0] * tile[1] // self.warp**2


# By lines and columns.
TILES = {
    (256, 128): Tile(64, 395),
    (128, 128): Tile(64, 400),
    (256, 64): Tile(64, 485),
    (64, 64): Tile(32, 200),
}
ONE_BY_ONE = Tile(32, 330)  # of (64, 64), where channels are copied one by one; larger tiles have no registers for that
BUSY = 8  # warps of a processor, two for each of its schedulers: with fewer it waits more than it works
# mma.sync in TF32 on an H100: the 495 TFLOP/s of its data sheet are those of wgmma; of the older instruction about five
# eighths have been measured (arXiv 2402.13499; not looked up again here).
TENSOR_CORES = 5 / 8 * 495e12 / 132
SHARED_MEMORY = 128 * 1.7e9  # bytes per second and processor: 32 banks of 4 bytes in each clock
# Of a patch's side read from the L2 cache: taps in the same row of the kernel share pixels, which the L1 cache keeps.
FROM_L2 = 1 / 2
START = 1e-6  # of a block: its first slice, the indices before and the stores behind it


class Product(NamedTuple):
    """One of the three, as matrices: lines × columns, inner, ``phases`` times.

    ``elements`` of image, kernel and map: what is read or written at least. ``single``: channels are copied one by one.
    """

    lines: int
    columns: int
    inner: int
    phases: int
    elements: int
    single: bool


class Tiling(NamedTuple):
    """So many ``tiles``, ``whole`` of them by a block each, the others by ``parts`` blocks with ``share`` of k each."""

    tile: tuple[int, int]
    tiles: int
    whole: int
    parts: int
    share: int

    @property
    def blocks(self) -> int:
        """Of the launch."""
        return self.whole + (self.tiles - self.whole) * self.parts


def tiling(product: Product, tile: tuple[int, int], whole: int | None = None, wanted: int = 1) -> Tiling:
    """With ``whole`` tiles (None: all) by a block each, and about ``wanted`` blocks for each of the others.

    >>> tiling(Product(102400, 128, 1024, 1, 0, False), (256, 128), 396, 5)
    Tiling(tile=(256, 128), tiles=400, whole=396, parts=5, share=208)
    """
    down, across = (-(-side // part) for side, part in zip(product[:2], tile, strict=True))
    tiles = down * across * product.phases
    share = -(-product.inner // wanted // STEP) * STEP
    return Tiling(tile, tiles, tiles if whole is None else whole, -(-product.inner // share), share)


@functools.cache
def best(product: Product) -> Tiling:
    """The tiling of least modelled time on the device that :class:`Assumptions` describes."""
    device, choices = Assumptions(), []
    for tile in [(64, 64)] if product.single else TILES:
        choices.append(tiling(product, tile))
        at_once = device.processors * blocks_per_processor(tile)
        rounds = choices[-1].tiles // at_once * at_once
        for wanted in range(2, 1 + min(MOST_PARTS, product.inner // SHORTEST_PART)):
            choices.append(tiling(product, tile, rounds, wanted))
    return min(choices, key=lambda choice: seconds(product, choice, device))


def blocks_per_processor(tile: tuple[int, int]) -> int:
    """Blocks that a processor has at once, so that it is busy; of all tiles it has room for as many."""
    return max(1, BUSY // TILES[tile].warps(tile))


def seconds(product: Product, chosen: Tiling, device: Assumptions) -> float:
    """The product's time with its second kernel, where tiles are shared out."""
    one = tiles_cost(product, chosen, device).seconds
    left = chosen.tiles - chosen.whole
    return one + (parts_cost(left * chosen.parts, chosen.parts, chosen.tile, device).seconds if left else 0)


def tiles_cost(product: Product, chosen: Tiling, device: Assumptions) -> Cost:
    """The kernel in tiles."""
    (lines, columns), (warp, instructions) = chosen.tile, ONE_BY_ONE if product.single else TILES[chosen.tile]
    warps = lines * columns // warp**2
    multiply = 2 * lines * columns * STEP / TENSOR_CORES
    issue = warps * instructions * 32 * device.processors / device.instructions
    shared = 4 * STEP * (lines + columns + warps * 2 * warp) / SHARED_MEMORY
    a_slice, blocks = max(multiply, issue, shared), blocks_per_processor(chosen.tile)
    whole, part = (START + blocks * inner / STEP * a_slice for inner in (product.inner, chosen.share))
    left = (chosen.tiles - chosen.whole) * chosen.parts
    at_once = device.processors * blocks
    computing = -(-chosen.whole // at_once) * whole + -(-left // at_once) * part
    slices = chosen.tiles * product.inner / STEP
    delivered = 4 * STEP * slices * (FROM_L2 * lines + columns) / device.l2_bandwidth
    nbytes = 4 * (product.elements + left * lines * columns)
    memory = nbytes / (device.l2_bandwidth if nbytes < device.l2_size else device.memory_bandwidth)
    operations = 2 * product.lines * product.columns * product.inner * product.phases
    return Cost(device.floor + max(computing, delivered, memory), nbytes, operations)


def parts_cost(slots: int, parts: int, tile: tuple[int, int], device: Assumptions) -> Cost:
    """The kernel that adds up ``parts`` parts of each tile that was shared out; ``slots``: of all of them."""
    nbytes = 4 * (slots + slots // parts) * tile[0] * tile[1]
    memory = nbytes / (device.l2_bandwidth if nbytes < device.l2_size else device.memory_bandwidth)
    return Cost(device.floor + max(memory, -(-parts // AHEAD) * device.l2_latency), nbytes)
