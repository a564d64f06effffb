"""Images, feature maps and kernels brought to the evaluation points of :mod:`tinygan.ops.cpu.toom_cook`, and back."""

import math
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from tinygan.ops.cpu.toom_cook import Matrices, matrices
from tinygan.ops.reference import ceil_div
from tinygan.ops.window import Window
from tinygan.runtime.scratch import scratch

BLOCK = 2**17  # Values of the images transformed at once: the results are then still in the cache.


def kernel_blocks(window: Window) -> int:
    """r, the stride blocks of a square kernel each way: its taps over its stride."""
    return window.kernel[0] // window.stride[0]


class Tiles(NamedTuple):
    """The transforms of one window on images of one size, and their adjoints.

    s is the stride, r the kernel's stride blocks each way. A tile is m×m pixels of the feature map, and n×n stride
    blocks of the input, n = m + r − 1, of which neighbours share r − 1. P = n² is the number of points, T = N·t·u that
    of tiles: t = ⌈H'/m⌉ rows and u = ⌈W'/m⌉ columns of them per image.
    """

    window: Window  # one that fits(); any padding
    image_size: tuple[int, int]  # (H, W) of the input
    m: int

    @staticmethod
    def fits(window: Window) -> bool:
        """Whether the window is one that this algorithm can do: square, and of 2×2 or 3×3 stride blocks."""
        (kh, kw), (sh, sw), _ = window
        return kh == kw and sh == sw and kh % sh == 0 and kernel_blocks(window) in (2, 3)

    @property
    def r(self) -> int:
        """Stride blocks of the kernel each way."""
        return kernel_blocks(self.window)

    @property
    def points(self) -> int:
        """P."""
        return (self.m + self.r - 1) ** 2

    def matrices(self, dtype: np.dtype) -> Matrices:
        """E, F and V⁻¹ of both dimensions."""
        return matrices(self.m, self.r, dtype)

    @property
    def grid(self) -> tuple[int, int]:
        """(t, u)."""
        return tuple(ceil_div(count, self.m) for count in self.window.positions(self.image_size))

    def input_to_points(self, x: np.ndarray, out: np.ndarray) -> None:
        """V⁻ᵀ of the zero-padded image's stride blocks: (N, H, W, C) -> (P, T, s²·C)."""
        count, padded, tiles = self._room(x)
        s, (image, row, pixel, channel) = self.window.stride[0], padded.strides
        step = s * self.m
        overlapping = np.lib.stride_tricks.as_strided(
            padded, tiles.shape, (image, step * row, step * pixel, s * row, s * pixel, row, channel)
        )
        for images, positions in self._slices(len(x), count):
            n = images.stop - images.start
            _zero_pad(x[images], self.window.pad, padded[:n])
            tiles[:n] = overlapping[:n]
            flat = tiles[:n].reshape(-1, self.points, out.shape[2])
            np.matmul(self.matrices(x.dtype).interpolation.T, flat, out=out[:, positions].swapaxes(0, 1))

    def input_from_points(self, values: np.ndarray, out: np.ndarray) -> None:
        """The adjoint of :meth:`input_to_points`: (P, T, s²·C) -> (N, H, W, C)."""
        count, padded, tiles = self._room(out)
        (_, H, W, _), (ph, pw) = out.shape, self.window.pad
        seen = padded[:, ph : ph + H, pw : pw + W]
        h, w = seen.shape[1:3]
        out[:, h:] = out[:, :, w:] = 0  # pixels that no place of the kernel reaches
        for images, positions in self._slices(len(out), count):
            n = images.stop - images.start
            flat = tiles[:n].reshape(-1, self.points, values.shape[2])
            np.matmul(self.matrices(out.dtype).interpolation, values[:, positions].swapaxes(0, 1), out=flat)
            _join(tiles[:n], padded[:n], self.m)
            out[images, :h, :w] = seen[:n]

    def output_to_points(self, y: np.ndarray, out: np.ndarray) -> None:
        """E of the feature map's tiles: (N, H', W', K) -> (P, T, K)."""
        (t, u), m, (N, H, W, K) = self.grid, self.m, y.shape
        if (t * m, u * m) != (H, W):
            padded = scratch((N, t * m, u * m, K), y.dtype)
            _zero_pad(y, (0, 0), padded)
            y = padded
        tiles = y.reshape(N, t, m, u, m, K).swapaxes(2, 3).reshape(-1, m * m, K)
        np.matmul(self.matrices(y.dtype).tile, tiles, out=out.swapaxes(0, 1))

    def output_from_points(self, values: np.ndarray, out: np.ndarray) -> None:
        """The adjoint of :meth:`output_to_points`: (P, T, K) -> (N, H', W', K)."""
        (t, u), m, (N, H, W, K) = self.grid, self.m, out.shape
        tiles = scratch((N, t, u, m, m, K), out.dtype)
        np.matmul(self.matrices(out.dtype).tile.T, values.swapaxes(0, 1), out=tiles.reshape(-1, m * m, K))
        whole = out if (t * m, u * m) == (H, W) else scratch((N, t * m, u * m, K), out.dtype)
        whole.reshape(N, t, m, u, m, K)[:] = tiles.swapaxes(2, 3)
        if whole is not out:
            out[:] = whole[:, :H, :W]

    def kernel_to_points(self, w: np.ndarray, out: np.ndarray) -> None:
        """F of the kernel: (s·r, s·r, C, K) -> (P, s², C, K)."""
        blocks = self._kernel_blocks(w)
        taps = scratch(blocks.shape, w.dtype)
        taps[:] = blocks
        values = out.reshape(*out.shape[:2], -1).swapaxes(0, 1)
        np.matmul(self.matrices(w.dtype).kernel, taps.reshape(len(values), self.r**2, -1), out=values)

    def kernel_from_points(self, values: np.ndarray, out: np.ndarray, add: bool = False) -> None:
        """The adjoint of :meth:`kernel_to_points`: (P, s², C, K) -> (s·r, s·r, C, K), or added to what is there."""
        blocks = self._kernel_blocks(out)
        taps = scratch(blocks.shape, out.dtype)
        values = values.reshape(*values.shape[:2], -1).swapaxes(0, 1)
        np.matmul(self.matrices(out.dtype).kernel.T, values, out=taps.reshape(len(values), self.r**2, -1))
        if add:
            blocks += taps
        else:
            blocks[:] = taps

    def _room(self, x: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
        """How many images are transformed at once, and scratch memory for them: padded, and cut into tiles.

        (count, s·(m·t + r − 1), s·(m·u + r − 1), C) and (count, t, u, n, n, s, s·C).
        """
        (t, u), m, s, shared, (N, H, W, C) = self.grid, self.m, self.window.stride[0], self.r - 1, x.shape
        count = max(1, min(N, BLOCK // (H * W * C)))
        padded = scratch((count, s * (m * t + shared), s * (m * u + shared), C), x.dtype)
        return count, padded, scratch((count, t, u, m + shared, m + shared, s, s * C), x.dtype)

    def _slices(self, N: int, count: int) -> Iterator[tuple[slice, slice]]:
        """``count`` images at a time, and the positions of their tiles."""
        tiles = math.prod(self.grid)
        for first in range(0, N, count):
            last = min(N, first + count)
            yield slice(first, last), slice(first * tiles, last * tiles)

    def _kernel_blocks(self, w: np.ndarray) -> np.ndarray:
        """A view of the kernel by pixel within the block, then by block: (s·r, s·r, C, K) -> (s, s, r, r, C, K)."""
        r, s = self.r, self.window.stride[0]
        return w.reshape(r, s, r, s, *w.shape[2:]).transpose(1, 3, 0, 2, 4, 5)


def _join(tiles: np.ndarray, out: np.ndarray, m: int) -> None:
    """Put tiles together to padded images, adding up the blocks they share; shapes as in :meth:`Tiles._room`."""
    N, t, u, n, _, s, sC = tiles.shape
    tiles = tiles.transpose(0, 1, 3, 5, 2, 4, 6)
    whole = out.reshape(N, m * t + n - m, s, m * u + n - m, sC)
    whole[:, m * t :] = whole[:, :, :, m * u :] = 0
    own = whole[:, : m * t, :, : m * u].reshape(N, t, m, s, u, m, sC)  # a view, as those below
    own[:] = tiles[:, :, :m, :, :, :m]
    for i in range(m, n):
        below = whole[:, i : m * t + i : m, :, : m * u].reshape(N, t, s, u, m, sC)
        right = whole[:, : m * t, :, i : m * u + i : m].reshape(N, t, m, s, u, sC)
        below += tiles[:, :, i, :, :, :m]
        right += tiles[:, :, :m, :, :, i]
    for i, j in product(range(m, n), repeat=2):
        corner = whole[:, i : m * t + i : m, :, j : m * u + j : m]
        corner += tiles[:, :, i, :, :, j]


def _zero_pad(x: np.ndarray, pad: tuple[int, int], out: np.ndarray) -> None:
    """Write x (N, H, W, C) into ``out`` at ``pad`` pixels from its top left, as far as it has room; 0 around it."""
    (ph, pw), (_, H, W, _) = pad, x.shape
    inside = out[:, ph : ph + H, pw : pw + W]
    h, w = inside.shape[1:3]
    out[:, :ph] = out[:, ph + h :] = 0
    out[:, ph : ph + h, :pw] = out[:, ph : ph + h, pw + w :] = 0
    inside[:] = x[:, :h, :w]
