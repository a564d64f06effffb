"""A convolution as a product of polynomials: the fast twin of :mod:`tinygan.ops.patches`.

**In one dimension.** Take the image's pixels in cells of s, the stride, and the kernel's s·r taps in r cells. In the
transposed convolution every pixel xᵢ of the map paints r cells, xᵢ·gⱼ into cell i + j: the cells are the coefficients
of a product of polynomials,

    (x₀ + x₁z + … + xₘ₋₁zᵐ⁻¹)·(g₀ + … + gᵣ₋₁zʳ⁻¹)

A polynomial with n = m + r − 1 coefficients is known from its values at n points. So evaluate both factors there,
multiply value by value, and interpolate (Toom and Cook): n products instead of m·r. With E, F, V the matrices that
evaluate m, r and n coefficients at the points:

    cells = V⁻¹(E·x ∘ F·g)

The convolution is the adjoint of that map, x = Eᵀ(V⁻ᵀ·cells ∘ F·g), known as Winograd's minimal filtering (Lavin &
Gray, arXiv 1509.09308). **In two dimensions** the map is cut into tiles of m×m pixels, and each matrix acts along rows
and along columns: n² products for a tile instead of m²r². For a 4×4 kernel with stride 2 (r = 2) these are 9 instead
of 16 at m = 2 and 25 instead of 64 at m = 4; for a 3×3 kernel (r = 3) 16 instead of 36 at m = 2. Each "product" is
itself a matrix product over all tiles, with the s×s pixels of a cell and the channels as the inner axis. All three maps
of the correlation are made of the same three matrices:

    y  = Eᵀ(V⁻ᵀ·x ∘ F·w)          x: the image's cells
    dx = V⁻¹(E·dy ∘ F·w)
    dw = Fᵀ(V⁻ᵀ·x ∘ E·dy)

**Points and rounding.** The usual points 0, ±1, ±2, ∞ save multiplications, and cost accuracy as soon as there are more
than three. Here the transforms are matrix products themselves, so that any points are as cheap as any. These are
directions (cos θ, sin θ), equally spaced, at which Σ xᵢ·cosᵐ⁻¹⁻ⁱθ·sinⁱθ is evaluated: no coefficient is ever large.
In float32, with 2,048 terms of random sign, the root mean square of the error is that of the plain form times 1.2 with
3 points, 1.7 with 4, 3 with 5 (with 0, ±1, ½, ∞ it would be 7), 6 with 6.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

from tinygan.ops.patches import Window
from tinygan.runtime.threads import scratch

BLOCK = 2**17  # values of the images transformed at once: their forms are then still in the cache


class Transforms(NamedTuple):
    """The matrices of both dimensions at once, Kronecker squares; P = n² points.

    Attributes:
        map: E⊗E, (P, m²).
        kernel: F⊗F, (P, r²).
        cells: (V⊗V)⁻¹, (P, P).
    """

    map: np.ndarray
    kernel: np.ndarray
    cells: np.ndarray


@lru_cache
def transforms(m: int, r: int, dtype: np.dtype) -> Transforms:
    """The transforms of tiles of m×m map pixels with kernels of r×r cells."""
    n = m + r - 1
    angles = np.arange(n)[:, None] * np.pi / n

    def evaluation(coefficients: int) -> np.ndarray:
        """Of polynomials at the points: (n, coefficients)."""
        power = np.arange(coefficients)
        return np.cos(angles) ** (coefficients - 1 - power) * np.sin(angles) ** power

    one_dimension = evaluation(m), evaluation(r), np.linalg.inv(evaluation(n))
    return Transforms(*(np.kron(matrix, matrix).astype(dtype) for matrix in one_dimension))


def kernel_cells(window: Window) -> int:
    """r, the cells of a square kernel each way: its taps over its stride."""
    return window.kernel[0] // window.stride[0]


class Tiles(NamedTuple):
    """The maps of one window on images of one size; the names are those of ``PatchCorrelation``.

    s is the stride, r the kernel's cells each way, n = m + r − 1, P = n² the number of points; T = N·t·u is the number
    of tiles, t = ⌈H'/m⌉ rows and u = ⌈W'/m⌉ columns of them per image.

    Attributes:
        window: one that :meth:`fits`; any padding.
        image_size: (H, W).
        m: a tile is m×m pixels of the map, n×n cells of the image; neighbours share r − 1 cells.
    """

    window: Window
    image_size: tuple[int, int]
    m: int

    @staticmethod
    def fits(window: Window) -> bool:
        """Whether the window is one that this form can do: square, and of 2×2 or 3×3 cells."""
        (kh, kw), (sh, sw), _ = window
        return kh == kw and sh == sw and kh % sh == 0 and kernel_cells(window) in (2, 3)

    @property
    def r(self) -> int:
        """Cells of the kernel each way."""
        return kernel_cells(self.window)

    @property
    def points(self) -> int:
        """P."""
        return (self.m + self.r - 1) ** 2

    def matrices(self, dtype: np.dtype) -> Transforms:
        """E, F and V⁻¹ of both dimensions."""
        return transforms(self.m, self.r, dtype)

    @property
    def grid(self) -> tuple[int, int]:
        """(t, u)."""
        return tuple(-(-count // self.m) for count in self.window.positions(self.image_size))

    def image(self, x: np.ndarray, out: np.ndarray) -> None:
        """V⁻ᵀ of the zero-padded image's cells: (N, H, W, C) -> (P, T, s²·C)."""
        block, padded, cells = self._room(x)
        s, (image, row, pixel, channel) = self.window.stride[0], padded.strides
        step = s * self.m
        overlapping = np.lib.stride_tricks.as_strided(
            padded, cells.shape, (image, step * row, step * pixel, s * row, s * pixel, row, channel)
        )
        for images, tiles in self._blocks(len(x), block):
            n = images.stop - images.start
            _zero_pad(x[images], self.window.pad, padded[:n])
            cells[:n] = overlapping[:n]
            flat = cells[:n].reshape(-1, self.points, out.shape[2])
            np.matmul(self.matrices(x.dtype).cells.T, flat, out=out[:, tiles].swapaxes(0, 1))

    def image_adjoint(self, values: np.ndarray, out: np.ndarray) -> None:
        """The adjoint of :meth:`image`: (P, T, s²·C) -> (N, H, W, C)."""
        block, padded, cells = self._room(out)
        (_, H, W, _), (ph, pw) = out.shape, self.window.pad
        seen = padded[:, ph : ph + H, pw : pw + W]
        h, w = seen.shape[1:3]
        out[:, h:] = out[:, :, w:] = 0  # what no place of the kernel reaches
        for images, tiles in self._blocks(len(out), block):
            n = images.stop - images.start
            flat = cells[:n].reshape(-1, self.points, values.shape[2])
            np.matmul(self.matrices(out.dtype).cells, values[:, tiles].swapaxes(0, 1), out=flat)
            _join(cells[:n], padded[:n], self.m)
            out[images, :h, :w] = seen[:n]

    def map(self, y: np.ndarray, out: np.ndarray) -> None:
        """E of the map's tiles: (N, H', W', C) -> (P, T, C)."""
        (t, u), m, (N, H, W, C) = self.grid, self.m, y.shape
        if (t * m, u * m) != (H, W):
            padded = scratch((N, t * m, u * m, C), y.dtype)
            _zero_pad(y, (0, 0), padded)
            y = padded
        tiles = y.reshape(N, t, m, u, m, C).swapaxes(2, 3).reshape(-1, m * m, C)
        np.matmul(self.matrices(y.dtype).map, tiles, out=out.swapaxes(0, 1))

    def map_adjoint(self, values: np.ndarray, out: np.ndarray) -> None:
        """The adjoint of :meth:`map`: (P, T, C) -> (N, H', W', C)."""
        (t, u), m, (N, H, W, C) = self.grid, self.m, out.shape
        tiles = scratch((N, t, u, m, m, C), out.dtype)
        np.matmul(self.matrices(out.dtype).map.T, values.swapaxes(0, 1), out=tiles.reshape(-1, m * m, C))
        whole = out if (t * m, u * m) == (H, W) else scratch((N, t * m, u * m, C), out.dtype)
        whole.reshape(N, t, m, u, m, C)[:] = tiles.swapaxes(2, 3)
        if whole is not out:
            out[:] = whole[:, :H, :W]

    def kernel(self, w: np.ndarray, out: np.ndarray) -> None:
        """F of the kernel: (s·r, s·r, C, K) -> (P, s², C, K)."""
        cells = self._cells(w)
        taps = scratch(cells.shape, w.dtype)
        taps[:] = cells
        values = out.reshape(*out.shape[:2], -1).swapaxes(0, 1)
        np.matmul(self.matrices(w.dtype).kernel, taps.reshape(len(values), self.r**2, -1), out=values)

    def kernel_adjoint(self, values: np.ndarray, out: np.ndarray) -> None:
        """The adjoint of :meth:`kernel`: (P, s², C, K) -> (s·r, s·r, C, K)."""
        cells = self._cells(out)
        taps = scratch(cells.shape, out.dtype)
        values = values.reshape(*values.shape[:2], -1).swapaxes(0, 1)
        np.matmul(self.matrices(out.dtype).kernel.T, values, out=taps.reshape(len(values), self.r**2, -1))
        cells[:] = taps

    def _room(self, x: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
        """For a block of images: their number; padded to m·t + r − 1 by m·u + r − 1 cells; cut into tiles.

        (block, s·(m·t + r − 1), s·(m·u + r − 1), C) and (block, t, u, n, n, s, s·C).
        """
        (t, u), m, s, shared, (N, H, W, C) = self.grid, self.m, self.window.stride[0], self.r - 1, x.shape
        block = max(1, min(N, BLOCK // (H * W * C)))
        padded = scratch((block, s * (m * t + shared), s * (m * u + shared), C), x.dtype)
        return block, padded, scratch((block, t, u, m + shared, m + shared, s, s * C), x.dtype)

    def _blocks(self, N: int, block: int) -> Iterator[tuple[slice, slice]]:
        """The images of each block, and their tiles."""
        tiles = math.prod(self.grid)
        for first in range(0, N, block):
            last = min(N, first + block)
            yield slice(first, last), slice(first * tiles, last * tiles)

    def _cells(self, w: np.ndarray) -> np.ndarray:
        """A view of the kernel by pixel within the cell, then by cell: (s·r, s·r, C, K) -> (s, s, r, r, C, K)."""
        r, s = self.r, self.window.stride[0]
        return w.reshape(r, s, r, s, *w.shape[2:]).transpose(1, 3, 0, 2, 4, 5)


def _join(cells: np.ndarray, out: np.ndarray, m: int) -> None:
    """Tiles of cells put together to padded images, what neighbours share added; shapes as in :meth:`Tiles._room`."""
    N, t, u, n, _, s, sC = cells.shape
    cells = cells.transpose(0, 1, 3, 5, 2, 4, 6)
    whole = out.reshape(N, m * t + n - m, s, m * u + n - m, sC)
    whole[:, m * t :] = whole[:, :, :, m * u :] = 0
    own = whole[:, : m * t, :, : m * u].reshape(N, t, m, s, u, m, sC)  # a view, as those below
    own[:] = cells[:, :, :m, :, :, :m]
    for i in range(m, n):
        below = whole[:, i : m * t + i : m, :, : m * u].reshape(N, t, s, u, m, sC)
        right = whole[:, : m * t, :, i : m * u + i : m].reshape(N, t, m, s, u, sC)
        below += cells[:, :, i, :, :, :m]
        right += cells[:, :, :m, :, :, i]
    for i, j in product(range(m, n), repeat=2):
        corner = whole[:, i : m * t + i : m, :, j : m * u + j : m]
        corner += cells[:, :, i, :, :, j]


def _zero_pad(x: np.ndarray, pad: tuple[int, int], out: np.ndarray) -> None:
    """Write x (N, H, W, C) into ``out`` at ``pad`` pixels from its top left, as far as it has room; 0 around it."""
    (ph, pw), (_, H, W, _) = pad, x.shape
    inside = out[:, ph : ph + H, pw : pw + W]
    h, w = inside.shape[1:3]
    out[:, :ph] = out[:, ph + h :] = 0
    out[:, ph : ph + h, :pw] = out[:, ph : ph + h, pw + w :] = 0
    inside[:] = x[:, :h, :w]
