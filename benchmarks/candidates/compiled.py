"""What the compiler makes of the candidate's kernels, without a device:

    python -m benchmarks.candidates.compiled

Registers, shared memory and spilled bytes of every kernel in tiles, for each generation of devices from sm_80 on: with
more than 255 registers or 48 KiB a kernel would not start, and what spills waits for memory in every slice.
"""

if __name__ == "__main__":  # first of all, since the imports take a second
    from tinygan.signals import begin_script

    begin_script()

import re
import sys
from typing import NamedTuple

from benchmarks import command
from benchmarks.candidates import products
from benchmarks.candidates.products import Shape
from benchmarks.candidates.tiling import TILES
from tests.gpu import nvrtc
from tinygan.cli.parser import OneLineParser
from tinygan.errors import TinyganError, run_script
from tinygan.ops.cuda import launch
from tinygan.ops.window import Window
from tinygan.text import say

ARCHITECTURES = "sm_80", "sm_86", "sm_89", "sm_90"
SQUARE = Window((4, 4), (2, 2), (1, 1))
# Tile and shape: each tile with a layer that takes it, and the smallest with pixels of three channels.
CASES = [(tile, Shape((80, 80, 64), SQUARE, 128)) for tile in TILES] + [((64, 64), Shape((160, 160, 3), SQUARE, 64))]
USED = re.compile(r"'(\w+_tiles)' for.*?(\d+) bytes spill stores.*?Used (\d+) registers.*?(\d+) bytes smem", re.DOTALL)


class Used(NamedTuple):
    """By a kernel: bytes that do not fit its registers, registers of a thread, bytes of shared memory of a block."""

    spilled: int
    registers: int
    shared: int


def text_and_options(tile: tuple[int, int], shape: Shape) -> tuple[str, tuple[str, ...]]:
    """The source and the compiler's options, as a launch would ask for them."""
    wide = 4 if shape.image[2] % 4 == 0 else 1
    options = launch.definitions("float32", tuple(shape.constants().items()))
    return products.source(tile, wide, 4, pairs=wide == 4), options


def used(tile: tuple[int, int], shape: Shape, architecture: str) -> dict[str, Used]:
    """What each kernel in tiles uses, as the compiler's log says."""
    log = nvrtc.compile_log(*text_and_options(tile, shape), architecture)
    return {name: Used(*map(int, numbers)) for name, *numbers in USED.findall(log)}


def build_parser() -> OneLineParser:
    """It has no options."""
    return command.parser("candidates.compiled", __doc__)


def main(arguments: list[str]) -> None:
    """Print a line for each kernel; TinyganError if one spills, or without the compiler."""
    build_parser().parse_args(arguments)
    reason = nvrtc.why_no_compiler()
    if reason:
        raise TinyganError(reason)
    say(f"{'':8} {'tile':>8} {'channels':>9}  {'kernel':16} {'registers':>9} {'shared':>7} {'spilled':>8}")
    spills = False
    for architecture in ARCHITECTURES:
        for tile, shape in CASES:
            for name, one in used(tile, shape, architecture).items():
                size, channels = f"{tile[0]}×{tile[1]}", f"{shape.image[2]}→{shape.features}"
                what = f"{architecture:8} {size:>8} {channels:>9}  {name:16}"
                say(f"{what} {one.registers:9} {one.shared:7} {one.spilled:8}")
                spills |= one.spilled > 0
    if spills:
        raise TinyganError("a kernel spills: give it a smaller tile")


if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
