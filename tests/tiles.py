"""Which of the two ways a convolution takes on the CPU: products of tiles or of patches. The only place that knows how.

Networks of training have 8 channels and more and take tiles (``ops/cpu/correlate.py``); networks small enough for a
test do not, unless they are told to.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock


def tiles_wherever_they_fit() -> mock._patch:
    """Within it, or as a decorator: few channels are no reason against tiles."""
    return mock.patch("tinygan.ops.cpu.correlate.NARROW", 1)


def patches_only() -> mock._patch:
    """Within it, or as a decorator: the plain products, to compare those of tiles with."""
    return mock.patch("tinygan.ops.cpu.correlate.NARROW", 10**9)


@contextmanager
def kernels_brought_to_tiles() -> Iterator[list[tuple[int, ...]]]:
    """The shapes of the kernels that are transformed for tiles meanwhile."""
    from tinygan.ops.cpu.tiles import Tiles

    made, kernel = [], Tiles.kernel_to_points
    with mock.patch.object(
        Tiles, "kernel_to_points", lambda self, w, out: (made.append(w.shape), kernel(self, w, out))
    ):
        yield made
