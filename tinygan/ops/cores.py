"""The correlation on the CPU's cores: the parts of :class:`~tinygan.ops.patches.PatchCorrelation` as tasks.

Images are independent, so a task gets whole images; the weight gradient, a sum over all images, is cut by its own rows
instead. So no two tasks add to the same place, and nothing is summed in an order that chance decides.
"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from tinygan.ops.patches import PatchCorrelation, Window, fold, unfold
from tinygan.ops.tiles import Tiles
from tinygan.threads import run, scratch, thread_count

FEWEST_ROWS = 64  # of a task's products: fewer are slow to multiply
MOST_ELEMENTS = 2**19  # of a task's images: with more, what one operation writes has left the cache before the next
NARROW = 8  # channels; below, the plain patches are faster


def correlation_on_cores(window: Window, image_shape: tuple[int, int, int, int], out: int) -> "CorrelationOnCores":
    """Tiles where the window allows them and both sides have channels enough for products of some width."""
    tiles = Tiles.fits(window) and min(image_shape[3], out) >= NARROW
    return (TilesOnCores if tiles else PatchesOnCores)(window, image_shape, out)


class CorrelationOnCores(PatchCorrelation):
    """What both forms share: products by shards of the batch."""

    rows_per_image: int  # of the operands a and d

    def for_each_shard(self, work: Callable[[slice, slice], None]) -> None:
        """Run ``work(images, rows)`` for all shards of the batch; rows are those of a and d."""
        N, rows = self.image_shape[0], self.rows_per_image
        images = min(-(-N // thread_count()), MOST_ELEMENTS // math.prod(self.image_shape[1:]))
        images = max(1, images, -(-FEWEST_ROWS // rows))
        shards = [(first, min(N, first + images)) for first in range(0, N, images)]
        run(partial(work, slice(*shard), slice(shard[0] * rows, shard[1] * rows)) for shard in shards)

    def to_map(self, a: np.ndarray, u: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
        y = np.empty(self.map_shape, a.dtype)

        def work(images: slice, rows: slice) -> None:
            self.product_to_map(a[..., rows, :], u, out=y[images])
            if b is not None:
                y[images] += b

        self.for_each_shard(work)
        return y

    def to_image(self, d: np.ndarray, u: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
        x = np.empty(self.image_shape, d.dtype)

        def work(images: slice, rows: slice) -> None:
            self.product_to_image(d[..., rows, :], u, out=x[images])
            if b is not None:
                x[images] += b

        self.for_each_shard(work)
        return x

    def weight_products(self, a: np.ndarray, d: np.ndarray) -> np.ndarray:
        """aᵀ·d for each of the stacked matrices (depth, rows, ·), a task for each half of each product."""
        depth, _, width = a.shape
        du = np.empty((depth, width, d.shape[2]), a.dtype)

        def work(k: int, part: slice) -> None:
            np.matmul(a[k, :, part].T, d[k], out=du[k, part])

        run(partial(work, k, half) for k in range(depth) for half in halves(width))
        return du


class PatchesOnCores(CorrelationOnCores):
    """The plain form; operands (rows, columns)."""

    def __init__(self, window: Window, image_shape: tuple[int, int, int, int], out: int):
        super().__init__(window, image_shape, out)
        self.rows_per_image = math.prod(self.map_shape[1:3])

    def image(self, x: np.ndarray) -> np.ndarray:
        a = np.empty((len(x) * self.rows_per_image, math.prod(self.kernel_shape[:3])), x.dtype)

        def work(images: slice, rows: slice) -> None:
            a[rows] = unfold(x[images], self.window)

        self.for_each_shard(work)
        return a

    def product_to_map(self, a: np.ndarray, u: np.ndarray, out: np.ndarray) -> None:
        np.matmul(a, u, out=out.reshape(-1, out.shape[-1]))

    def product_to_image(self, d: np.ndarray, u: np.ndarray, out: np.ndarray) -> None:
        patches = np.matmul(d, u.T, out=scratch((len(d), len(u)), d.dtype))
        out[:] = fold(patches, self.window, out.shape)

    def to_kernel(self, a: np.ndarray, d: np.ndarray) -> np.ndarray:
        return self.weight_products(a[np.newaxis], d[np.newaxis]).reshape(self.kernel_shape)


class TilesOnCores(CorrelationOnCores):
    """Nine products of tiles; operands (9, rows, columns)."""

    def __init__(self, window: Window, image_shape: tuple[int, int, int, int], out: int):
        super().__init__(window, image_shape, out)
        self.tiles = Tiles(window, self.image_shape[1:3])
        self.rows_per_image = math.prod(self.tiles.grid)

    def image(self, x: np.ndarray) -> np.ndarray:
        a = np.empty((9, len(x) * self.rows_per_image, 4 * x.shape[3]), x.dtype)
        self.for_each_shard(lambda images, rows: self.tiles.image(x[images], out=a[:, rows]))
        return a

    def map(self, y: np.ndarray) -> np.ndarray:
        d = np.empty((9, len(y) * self.rows_per_image, y.shape[3]), y.dtype)
        self.for_each_shard(lambda images, rows: self.tiles.map(y[images], out=d[:, rows]))
        return d

    def kernel(self, w: np.ndarray) -> np.ndarray:
        u = np.empty((9, 4 * w.shape[2], w.shape[3]), w.dtype)
        parts = u.reshape(9, 4, *w.shape[2:])
        run(partial(self.tiles.kernel, w[:, :, half], out=parts[:, :, half]) for half in halves(w.shape[2]))
        return u

    def product_to_map(self, a: np.ndarray, u: np.ndarray, out: np.ndarray) -> None:
        products = np.matmul(a, u, out=scratch((*a.shape[:2], u.shape[2]), a.dtype))
        self.tiles.map_adjoint(products, out)

    def product_to_image(self, d: np.ndarray, u: np.ndarray, out: np.ndarray) -> None:
        products = np.matmul(d, u.swapaxes(1, 2), out=scratch((*d.shape[:2], u.shape[1]), d.dtype))
        self.tiles.image_adjoint(products, out)

    def to_kernel(self, a: np.ndarray, d: np.ndarray) -> np.ndarray:
        du, dw = self.weight_products(a, d), np.empty(self.kernel_shape, a.dtype)
        parts = du.reshape(9, 4, *dw.shape[2:])
        run(partial(self.tiles.kernel_adjoint, parts[:, :, half], out=dw[:, :, half]) for half in halves(dw.shape[2]))
        return dw


def halves(count: int) -> tuple[slice, slice]:
    """0 … count − 1 in two parts."""
    return slice(0, count // 2), slice(count // 2, count)
