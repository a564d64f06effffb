"""Convolution by tiles: at each of P evaluation points one product over all tiles (``toom_cook.py`` says why)."""

import math
from functools import partial

import numpy as np

from tinygan.ops.cpu.correlation import Correlation, channel_parts
from tinygan.ops.cpu.tiles import Tiles
from tinygan.ops.window import Window
from tinygan.runtime.scratch import aligned, scratch
from tinygan.runtime.threads import run


class TiledCorrelation(Correlation):
    """a (P, T, s²·C), d (P, T, K), u (P, s²·C, K): T tiles of m×m pixels of the feature map, stride s."""

    def __init__(self, window: Window, input_shape: tuple[int, int, int, int], K: int, m: int):
        super().__init__(window, input_shape, K)
        self.tiles = Tiles(window, self.input_shape[1:3], m)
        self.points = self.tiles.points
        self.inner = math.prod(window.stride) * input_shape[3]  # s²·C, the inner axis of the products
        self.rows_per_image = math.prod(self.tiles.grid)
        self.tile_count = self.input_shape[0] * self.rows_per_image  # T, of the whole batch

    def transform_input(self, x: np.ndarray) -> np.ndarray:
        a = aligned((self.points, self.tile_count, self.inner), x.dtype)
        self.for_each_shard(lambda images, rows: self.tiles.input_to_points(x[images], out=a[:, rows]))
        return a

    def transform_output(self, y: np.ndarray) -> np.ndarray:
        d = aligned((self.points, self.tile_count, y.shape[3]), y.dtype)
        self.for_each_shard(lambda images, rows: self.tiles.output_to_points(y[images], out=d[:, rows]))
        return d

    def transform_kernel(self, w: np.ndarray) -> np.ndarray:
        u = aligned((self.points, self.inner, w.shape[3]), w.dtype)
        stack = u.reshape(self.points, -1, *w.shape[2:])
        parts = channel_parts(w.shape[2])
        run(partial(self.tiles.kernel_to_points, w[:, :, part], out=stack[:, :, part]) for part in parts)
        return u

    def shard_of_input(self, x: np.ndarray) -> np.ndarray:
        a = scratch((self.points, len(x) * self.rows_per_image, self.inner), x.dtype)
        self.tiles.input_to_points(x, out=a)
        return a

    def shard_of_output(self, y: np.ndarray) -> np.ndarray:
        d = scratch((self.points, len(y) * self.rows_per_image, y.shape[3]), y.dtype)
        self.tiles.output_to_points(y, out=d)
        return d

    def multiply_forward(self, a: np.ndarray, u: np.ndarray, out: np.ndarray) -> None:
        products = np.matmul(a, u, out=scratch((*a.shape[:2], u.shape[2]), a.dtype))
        self.tiles.output_from_points(products, out)

    def multiply_backward(self, d: np.ndarray, u: np.ndarray, out: np.ndarray) -> None:
        products = np.matmul(d, u.swapaxes(1, 2), out=scratch((*d.shape[:2], u.shape[1]), d.dtype))
        self.tiles.input_from_points(products, out)

    def weight_grad(self, a: np.ndarray, d: np.ndarray, total: np.ndarray | None = None) -> np.ndarray:
        dw = aligned(self.kernel_shape, a.dtype) if total is None else total

        def work(part: slice) -> None:
            out = dw[..., part]
            products = scratch((self.points, a.shape[2], out.shape[3]), a.dtype)
            np.matmul(a.swapaxes(1, 2), d[..., part], out=products)
            values = products.reshape(self.points, -1, *out.shape[2:])
            self.tiles.kernel_from_points(values, out, add=total is not None)

        run(partial(work, part) for part in channel_parts(dw.shape[3]))
        return dw
