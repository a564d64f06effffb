"""The geometry of a convolution (kernel, stride, padding), and the types of its passes."""

from collections.abc import Callable
from typing import NamedTuple

from tinygan.array import Array

TwoGradients = tuple[Array | None, Array | None]  # (dx, dw), or two totals to add to; None where not wanted
Bilinear = tuple[Array, Callable[..., TwoGradients]]  # y, and backward(dy, need_dx=True, need_dw=True, total=None)
Kernels = dict[int, Array]  # a weight that never changes, transformed, by the algorithm's number of points


class Window(NamedTuple):
    """How a kernel moves over an image; pairs are (vertical, horizontal), in pixels.

    >>> Window((4, 4), (2, 2), (1, 1)).positions((32, 32))
    (16, 16)
    >>> Window((4, 4), (2, 2), (1, 1)).image_size((16, 16))
    (32, 32)
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]

    def positions(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """How many places (H', W') the kernel has on an (H, W) image: floor((H + 2·pad − kernel)/stride) + 1."""
        h, w = ((side + 2 * p - k) // s + 1 for side, k, s, p in zip(image_size, *self, strict=True))
        return h, w

    def image_size(self, positions: tuple[int, int]) -> tuple[int, int]:
        """The smallest image (H, W) on which the kernel has (H', W') places: (H' − 1)·stride + kernel − 2·pad."""
        h, w = ((count - 1) * s + k - 2 * p for count, k, s, p in zip(positions, *self, strict=True))
        return h, w
