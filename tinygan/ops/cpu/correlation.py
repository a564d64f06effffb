"""What both algorithms of convolution on the CPU share: operands transformed, multiplied, and transformed back.

x (N, H, W, C) is the input, y (N, H', W', K) the feature map, w (kh, kw, C, K) the kernel. Each is brought into a form
a = A(x), d = D(y), u = B(w) in which a matrix product is what remains:

    y  = Dᵀ(a·u)        forward
    dx = Aᵀ(d·uᵀ)       input_grad
    dw = Bᵀ(aᵀ·d)       weight_grad, added where it is made

Images are independent, so a task gets whole images; the weight gradient, a sum over all images, is cut along channels
instead. So no two tasks add to the same place, and the order of every sum is fixed.
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from tinygan.ops.cpu.blocks import as_rows, tile_channels
from tinygan.ops.reference import ceil_div
from tinygan.ops.window import Window
from tinygan.runtime.scratch import aligned
from tinygan.runtime.threads import run, thread_count

Operand = Callable[[slice, slice], np.ndarray]  # images and their rows of a or d -> that part of it

FEWEST_ROWS = 64  # Rows of a task's products. Fewer are slow to multiply.
MOST_ELEMENTS = 2**18  # Elements of a task's images. With more, the cache loses what one operation hands to the next.
ENOUGH_ROWS = 256  # Rows of a task's products. With fewer, fetching the kernel takes up more of each product's time.
FEWEST_CHANNELS, MOST_CHANNELS = 16, 128  # Of a task's part of a kernel: wide enough to multiply, small enough to hold.


class Correlation:
    """The correlation of one window with inputs (N, H, W, C) to K channels; operands are (..., rows, columns).

    A subclass gives A, B and D as ``transform_input``, ``transform_kernel`` and ``transform_output``, A and D of one
    task's images as ``shard_of_input`` and ``shard_of_output``, and the products with Dᵀ, Aᵀ and Bᵀ applied as
    ``multiply_forward``, ``multiply_backward`` and ``weight_grad``.
    """

    points = 1  # evaluation points; kernels transformed for the same number may be exchanged
    rows_per_image: int  # rows of the operands a and d that belong to one image

    def __init__(self, window: Window, input_shape: tuple[int, int, int, int], K: int):
        self.window, self.input_shape = window, tuple(input_shape)
        self.output_shape = (input_shape[0], *window.positions(input_shape[1:3]), K)
        self.kernel_shape = (*window.kernel, input_shape[3], K)

    def for_each_shard(self, work: Callable[[slice, slice], None]) -> None:
        """Run ``work(images, rows)`` for all shards of the batch; rows are those of a and d."""
        N, rows = self.input_shape[0], self.rows_per_image
        images = max(MOST_ELEMENTS // math.prod(self.input_shape[1:]), ceil_div(ENOUGH_ROWS, rows))
        images = max(1, min(ceil_div(N, thread_count()), images), ceil_div(FEWEST_ROWS, rows))
        images = ceil_div(N, ceil_div(N, images))  # the same number of shards, but no small one at the end
        shards = [(first, min(N, first + images)) for first in range(0, N, images)]
        run(partial(work, slice(*shard), slice(shard[0] * rows, shard[1] * rows)) for shard in shards)

    def forward(self, a: np.ndarray, u: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
        """y (N, H', W', K), plus b (K,) if given."""
        return self._product(self.multiply_forward, self.output_shape, lambda _, rows: a[..., rows, :], u, b)

    def forward_by_shards(self, x: np.ndarray, u: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
        """The same from x itself, where a is not needed again: each shard's part of it stays in the cache."""
        return self._product(self.multiply_forward, self.output_shape, lambda n, _: self.shard_of_input(x[n]), u, b)

    def input_grad(self, d: np.ndarray, u: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
        """dx (N, H, W, C), plus b (C,) if given."""
        return self._product(self.multiply_backward, self.input_shape, lambda _, rows: d[..., rows, :], u, b)

    def input_grad_by_shards(self, y: np.ndarray, u: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
        """The same from y itself."""
        return self._product(self.multiply_backward, self.input_shape, lambda n, _: self.shard_of_output(y[n]), u, b)

    def _product(
        self, multiply: Callable, shape: tuple[int, ...], operand: Operand, u: np.ndarray, b: np.ndarray | None
    ) -> np.ndarray:
        result = aligned(shape, u.dtype)

        def work(images: slice, rows: slice) -> None:
            multiply(operand(images, rows), u, out=result[images])
            if b is not None:
                y = as_rows(result[images])
                y += tile_channels(b, y)

        self.for_each_shard(work)
        return result


def channel_parts(channels: int, most: int = MOST_CHANNELS) -> list[slice]:
    """The channels cut into as many parts as there are threads, or more, but none too small or larger than ``most``."""
    size = min(most, max(FEWEST_CHANNELS, ceil_div(channels, thread_count())))
    return [slice(first, first + size) for first in range(0, channels, size)]
