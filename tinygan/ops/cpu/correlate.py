"""The correlation on the CPU's cores: the parts of :class:`~tinygan.ops.patches.PatchCorrelation` as tasks.

Images are independent, so a task gets whole images; the weight gradient, a sum over all images, is cut along its
own channels instead. So no two tasks add to the same place, and nothing is summed in an order that chance decides.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import product

import numpy as np

from tinygan.ops.cpu.blocks import as_rows, tile_channels
from tinygan.ops.cpu.tiles import Tiles, kernel_cells
from tinygan.ops.patches import PatchCorrelation, Window, fold, unfold
from tinygan.runtime.threads import run, scratch, thread_count

Operand = Callable[[slice, slice], np.ndarray]  # the part of a or d that belongs to these images and rows

FEWEST_ROWS = 64  # of a task's products: fewer are slow to multiply
MOST_ELEMENTS = 2**18  # of a task's images: with more, what one operation writes has left the cache before the next,
ENOUGH_ROWS = 256  # but with fewer rows each product spends more on fetching the kernel
FEWEST_CHANNELS, MOST_CHANNELS = 16, 128  # of a task that gets part of a kernel: wide enough, no more memory
POINTS = 3, 4, 5  # each way, of tiles to choose from; with more rounding is worse
KERNEL_ROWS = 40  # of a product: they take as long as bringing the kernel to one point, and its gradient back
NARROW = 8  # channels; below, the plain patches are faster

_batch_scale = 1.0  # see forms_of_larger_batches


def correlation_on_cores(window: Window, image_shape: tuple[int, int, int, int], out: int) -> "CorrelationOnCores":
    """The form with the fewest rows in all products; the plain one where there are few channels.

    Large tiles need fewer products for large maps, but more points, to each of which the kernel has to be brought.
    """
    if not Tiles.fits(window) or min(image_shape[3], out) < NARROW:
        return PatchesOnCores(window, image_shape, out)
    r = kernel_cells(window)
    tiled = [TilesOnCores(window, image_shape, out, n - r + 1) for n in POINTS if n > r]
    return min(tiled, key=lambda form: form.points * (form.tile_count * _batch_scale + KERNEL_ROWS))


@contextmanager
def forms_of_larger_batches(scale: float) -> Iterator[None]:
    """Within it, batches take the forms that batches ``scale`` times as large would.

    For measuring with a part of a batch what the whole would need.
    """
    global _batch_scale
    _batch_scale = scale
    try:
        yield
    finally:
        _batch_scale = 1.0


class CorrelationOnCores(PatchCorrelation):
    """What both forms share: products by shards of the batch. Operands (..., rows, columns)."""

    rows_per_image: int  # of the operands a and d

    def for_each_shard(self, work: Callable[[slice, slice], None]) -> None:
        """Run ``work(images, rows)`` for all shards of the batch; rows are those of a and d."""
        N, rows = self.image_shape[0], self.rows_per_image
        images = max(MOST_ELEMENTS // math.prod(self.image_shape[1:]), -(-ENOUGH_ROWS // rows))
        images = max(1, min(-(-N // thread_count()), images), -(-FEWEST_ROWS // rows))
        images = -(-N // -(-N // images))  # as many shards, but no small one at the end
        shards = [(first, min(N, first + images)) for first in range(0, N, images)]
        run(partial(work, slice(*shard), slice(shard[0] * rows, shard[1] * rows)) for shard in shards)

    def to_map(self, a: np.ndarray, u: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
        return self._map(lambda images, rows: a[..., rows, :], u, b)

    def image_to_map(self, x: np.ndarray, u: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
        return self._map(lambda images, rows: self.patches(x[images]), u, b)

    def to_image(self, d: np.ndarray, u: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
        return self._image(lambda images, rows: d[..., rows, :], u, b)

    def map_to_image(self, y: np.ndarray, u: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
        return self._image(lambda images, rows: self.rows(y[images]), u, b)

    def _map(self, operand: Operand, u: np.ndarray, b: np.ndarray | None) -> np.ndarray:
        y = np.empty(self.map_shape, u.dtype)

        def work(images: slice, rows: slice) -> None:
            self.product_to_map(operand(images, rows), u, out=y[images])
            if b is not None:
                add_to_channels(y[images], b)

        self.for_each_shard(work)
        return y

    def _image(self, operand: Operand, u: np.ndarray, b: np.ndarray | None) -> np.ndarray:
        x = np.empty(self.image_shape, u.dtype)

        def work(images: slice, rows: slice) -> None:
            self.product_to_image(operand(images, rows), u, out=x[images])
            if b is not None:
                add_to_channels(x[images], b)

        self.for_each_shard(work)
        return x


class PatchesOnCores(CorrelationOnCores):
    """The plain form."""

    def __init__(self, window: Window, image_shape: tuple[int, int, int, int], out: int):
        super().__init__(window, image_shape, out)
        self.rows_per_image = math.prod(self.map_shape[1:3])

    def image(self, x: np.ndarray) -> np.ndarray:
        a = np.empty((len(x) * self.rows_per_image, math.prod(self.kernel_shape[:3])), x.dtype)

        def work(images: slice, rows: slice) -> None:
            a[rows] = self.patches(x[images])

        self.for_each_shard(work)
        return a

    def patches(self, x: np.ndarray) -> np.ndarray:
        """Of some images: (n, H, W, C) -> (rows, kh·kw·C)."""
        return unfold(x, self.window)

    def rows(self, y: np.ndarray) -> np.ndarray:
        """Of some maps: (n, H', W', K) -> (rows, K)."""
        return self.map(y)

    def product_to_map(self, a: np.ndarray, u: np.ndarray, out: np.ndarray) -> None:
        np.matmul(a, u, out=out.reshape(-1, out.shape[-1]))

    def product_to_image(self, d: np.ndarray, u: np.ndarray, out: np.ndarray) -> None:
        if out.shape[3] < NARROW:
            columns = np.matmul(u, d.T, out=scratch((len(u), len(d)), d.dtype))
            fold_columns(columns, self.window, out)
        else:
            multiply = np.matmul if d.shape[1] > 1 else np.multiply  # what a column times a row is, 20 times as fast
            patches = multiply(d, u.T, out=scratch((len(d), len(u)), d.dtype))
            out[:] = fold(patches, self.window, out.shape)

    def to_kernel(self, a: np.ndarray, d: np.ndarray) -> np.ndarray:
        dw = np.empty((a.shape[1], d.shape[1]), a.dtype)
        run(partial(np.matmul, a[:, part].T, d, out=dw[part]) for part in parts(len(dw)))
        return dw.reshape(self.kernel_shape)


class TilesOnCores(CorrelationOnCores):
    """Products of tiles, m×m map pixels each, at P points; s is the stride."""

    def __init__(self, window: Window, image_shape: tuple[int, int, int, int], out: int, m: int):
        super().__init__(window, image_shape, out)
        self.tiles = Tiles(window, self.image_shape[1:3], m)
        self.points = self.tiles.points
        self.inner = math.prod(window.stride) * image_shape[3]  # s²·C, the inner axis of the products
        self.rows_per_image = math.prod(self.tiles.grid)

    @property
    def tile_count(self) -> int:
        """Of the whole batch."""
        return self.image_shape[0] * self.rows_per_image

    def image(self, x: np.ndarray) -> np.ndarray:
        a = np.empty((self.points, self.tile_count, self.inner), x.dtype)
        self.for_each_shard(lambda images, rows: self.tiles.image(x[images], out=a[:, rows]))
        return a

    def map(self, y: np.ndarray) -> np.ndarray:
        d = np.empty((self.points, self.tile_count, y.shape[3]), y.dtype)
        self.for_each_shard(lambda images, rows: self.tiles.map(y[images], out=d[:, rows]))
        return d

    def kernel(self, w: np.ndarray) -> np.ndarray:
        u = np.empty((self.points, self.inner, w.shape[3]), w.dtype)
        stack = u.reshape(self.points, -1, *w.shape[2:])
        run(partial(self.tiles.kernel, w[:, :, part], out=stack[:, :, part]) for part in parts(w.shape[2]))
        return u

    def patches(self, x: np.ndarray) -> np.ndarray:
        """Of some images: (n, H, W, C) -> (P, rows, s²·C)."""
        a = scratch((self.points, len(x) * self.rows_per_image, self.inner), x.dtype)
        self.tiles.image(x, out=a)
        return a

    def rows(self, y: np.ndarray) -> np.ndarray:
        """Of some maps: (n, H', W', K) -> (P, rows, K)."""
        d = scratch((self.points, len(y) * self.rows_per_image, y.shape[3]), y.dtype)
        self.tiles.map(y, out=d)
        return d

    def product_to_map(self, a: np.ndarray, u: np.ndarray, out: np.ndarray) -> None:
        products = np.matmul(a, u, out=scratch((*a.shape[:2], u.shape[2]), a.dtype))
        self.tiles.map_adjoint(products, out)

    def product_to_image(self, d: np.ndarray, u: np.ndarray, out: np.ndarray) -> None:
        products = np.matmul(d, u.swapaxes(1, 2), out=scratch((*d.shape[:2], u.shape[1]), d.dtype))
        self.tiles.image_adjoint(products, out)

    def to_kernel(self, a: np.ndarray, d: np.ndarray) -> np.ndarray:
        dw = np.empty(self.kernel_shape, a.dtype)

        def work(part: slice) -> None:
            out = dw[..., part]
            products = scratch((self.points, a.shape[2], out.shape[3]), a.dtype)
            np.matmul(a.swapaxes(1, 2), d[..., part], out=products)
            self.tiles.kernel_adjoint(products.reshape(self.points, -1, *out.shape[2:]), out)

        run(partial(work, part) for part in parts(dw.shape[3]))
        return dw


def fold_columns(columns: np.ndarray, window: Window, out: np.ndarray) -> None:
    """:func:`~tinygan.ops.patches.fold` for few channels, from patches as columns: (kh·kw·C, N·H'·W') -> (N, H, W, C).

    With the channels last, each addition would run over a few numbers in a row; here it is rows of the map. The image
    is put together in planes, one for each channel and each place (p, q) within a stride×stride block, and interleaved
    at the end.
    """
    (kh, kw), (sh, sw), (ph, pw) = window
    N, H, W, C = out.shape
    rows, cols = window.positions((H, W))
    taps = columns.reshape(kh, kw, C, N, rows, cols)
    t, s = -(-(H + 2 * ph) // sh), -(-(W + 2 * pw) // sw)
    planes = scratch((sh, sw, C, N, t, s), columns.dtype)
    planes[:] = 0
    for i, j in product(range(kh), range(kw)):
        planes[i % sh, j % sw, :, :, i // sh : i // sh + rows, j // sw : j // sw + cols] += taps[i, j]
    padded = planes.transpose(3, 4, 0, 5, 1, 2).reshape(N, t * sh, s * sw, C)
    out[:] = padded[:, ph : ph + H, pw : pw + W]


def add_to_channels(y: np.ndarray, b: np.ndarray) -> None:
    """Add b (C,) to y (N, H, W, C), in place."""
    rows = as_rows(y)
    rows += tile_channels(b, rows)


def parts(channels: int) -> list[slice]:
    """The channels cut into as many parts as there are threads, or more, but none too small or too large."""
    size = min(MOST_CHANNELS, max(FEWEST_CHANNELS, -(-channels // thread_count())))
    return [slice(first, first + size) for first in range(0, channels, size)]
