"""A 4×4 convolution with stride 2 as a product of polynomials: the fast twin of :mod:`tinygan.ops.patches`.

**In one dimension.** Take the image's pixels in pairs. In the transposed convolution every pixel xᵢ of the map paints
two of them, xᵢ·g₀ into pair i and xᵢ·g₁ into pair i + 1: the pairs are the coefficients of a product of polynomials,

    (x₀ + x₁s + … + xₘ₋₁sᵐ⁻¹)·(g₀ + g₁s)

A polynomial of degree m is known from its values at m + 1 points. So evaluate both factors there, multiply value by
value, and interpolate (Toom and Cook): m + 1 products instead of 2m. With E, F, V the matrices that evaluate m, 2 and
m + 1 coefficients at the points:

    pairs = V⁻¹(E·x ∘ F·g)

The convolution is the adjoint of that map, x = Eᵀ(V⁻ᵀ·pairs ∘ F·g), known as Winograd's minimal filtering (Lavin &
Gray, arXiv 1509.09308). **In two dimensions** the map is cut into tiles of m×m pixels, and each matrix acts along rows
and along columns: (m + 1)² products for a tile instead of 4m², which is 9 for 16 at m = 2 and 25 for 64 at m = 4. Each
"product" is itself a matrix product over all tiles, with the 2×2 pixels of a pair of pairs and the channels as the
inner axis. All three maps of the correlation are made of the same three matrices:

    y  = Eᵀ(V⁻ᵀ·x ∘ F·w)          x: the image's pairs
    dx = V⁻¹(E·dy ∘ F·w)
    dw = Fᵀ(V⁻ᵀ·x ∘ E·dy)

**Points and rounding.** The usual points 0, ±1, ±2, ∞ save multiplications, and cost accuracy as soon as there are more
than three. Here the transforms are matrix products themselves, so that any points are as cheap as any. These are
directions (cos θ, sin θ), equally spaced, at which Σ xᵢ·cosᵐ⁻¹⁻ⁱθ·sinⁱθ is evaluated: no coefficient is ever large.
In float32, with 2,048 terms of random sign, the root mean square of the error is that of the plain form times 1.2 at
m = 2, 1.7 at m = 3, 3 at m = 4 (with the points 0, ±1, ½, ∞ it would be 7), 6 at m = 5.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from tinygan.ops.patches import Window
from tinygan.threads import scratch

BLOCK = 2**17  # values of the images transformed at once: their forms are then still in the cache


class Transforms(NamedTuple):
    """The matrices of both dimensions at once, Kronecker squares; P = (m + 1)² points.

    Attributes:
        map: E⊗E, (P, m²).
        kernel: F⊗F, (P, 4).
        pairs: (V⊗V)⁻¹, (P, P).
    """

    map: np.ndarray
    kernel: np.ndarray
    pairs: np.ndarray


@lru_cache
def transforms(m: int, dtype: np.dtype) -> Transforms:
    """The transforms of tiles of m×m map pixels."""
    angles = np.arange(m + 1)[:, None] * np.pi / (m + 1)

    def evaluation(n: int) -> np.ndarray:
        """Of polynomials with n coefficients: (m + 1, n)."""
        power = np.arange(n)
        return np.cos(angles) ** (n - 1 - power) * np.sin(angles) ** power

    one_dimension = evaluation(m), evaluation(2), np.linalg.inv(evaluation(m + 1))
    return Transforms(*(np.kron(matrix, matrix).astype(dtype) for matrix in one_dimension))


class Tiles(NamedTuple):
    """The maps of one 4×4 window with stride 2 on images of one size; the names are those of ``PatchCorrelation``.

    T = N·t·s is the number of tiles, t = ⌈H'/m⌉ rows and s = ⌈W'/m⌉ columns of them per image; P = (m + 1)² points.

    Attributes:
        window: kernel 4×4, stride 2; any padding.
        image_size: (H, W).
        m: a tile is m×m pixels of the map, (m + 1)×(m + 1) pairs of pairs of the image; neighbours share one pair.
    """

    window: Window
    image_size: tuple[int, int]
    m: int

    @staticmethod
    def fits(window: Window) -> bool:
        """Whether the window is one that this form can do."""
        return window.kernel == (4, 4) and window.stride == (2, 2)

    @property
    def points(self) -> int:
        """P."""
        return (self.m + 1) ** 2

    @property
    def grid(self) -> tuple[int, int]:
        """(t, s)."""
        return tuple(-(-count // self.m) for count in self.window.positions(self.image_size))

    def image(self, x: np.ndarray, out: np.ndarray) -> None:
        """V⁻ᵀ of the zero-padded image's pairs: (N, H, W, C) -> (P, T, 4·C)."""
        block, padded, pairs = self._room(x)
        (t, s), m = self.grid, self.m
        image, row, pixel, channel = padded.strides
        overlapping = np.lib.stride_tricks.as_strided(
            padded, pairs.shape, (image, 2 * m * row, 2 * m * pixel, 2 * row, 2 * pixel, row, channel)
        )
        for images, tiles, n in self._blocks(len(x), block):
            _zero_pad(x[images], self.window.pad, padded[:n])
            pairs[:n] = overlapping[:n]
            values = out[:, tiles].swapaxes(0, 1)
            np.matmul(transforms(m, x.dtype).pairs.T, pairs[:n].reshape(n * t * s, self.points, -1), out=values)

    def image_adjoint(self, values: np.ndarray, out: np.ndarray) -> None:
        """The adjoint of :meth:`image`: (P, T, 4·C) -> (N, H, W, C)."""
        block, padded, pairs = self._room(out)
        (t, s), m, (_, H, W, _), (ph, pw) = self.grid, self.m, out.shape, self.window.pad
        seen = padded[:, ph : ph + H, pw : pw + W]
        h, w = seen.shape[1:3]
        out[:, h:] = out[:, :, w:] = 0  # what no place of the kernel reaches
        for images, tiles, n in self._blocks(len(out), block):
            flat = pairs[:n].reshape(n * t * s, self.points, -1)
            np.matmul(transforms(m, out.dtype).pairs, values[:, tiles].swapaxes(0, 1), out=flat)
            _join(pairs[:n], padded[:n])
            out[images, :h, :w] = seen[:n]

    def map(self, y: np.ndarray, out: np.ndarray) -> None:
        """E of the map's tiles: (N, H', W', C) -> (P, T, C)."""
        (t, s), m, (N, H, W, C) = self.grid, self.m, y.shape
        if (t * m, s * m) != (H, W):
            padded = scratch((N, t * m, s * m, C), y.dtype)
            _zero_pad(y, (0, 0), padded)
            y = padded
        tiles = y.reshape(N, t, m, s, m, C).swapaxes(2, 3).reshape(-1, m * m, C)
        np.matmul(transforms(m, y.dtype).map, tiles, out=out.swapaxes(0, 1))

    def map_adjoint(self, values: np.ndarray, out: np.ndarray) -> None:
        """The adjoint of :meth:`map`: (P, T, C) -> (N, H', W', C)."""
        (t, s), m, (N, H, W, C) = self.grid, self.m, out.shape
        pixels = scratch((N, t, s, m, m, C), out.dtype)
        np.matmul(transforms(m, out.dtype).map.T, values.swapaxes(0, 1), out=pixels.reshape(-1, m * m, C))
        whole = out if (t * m, s * m) == (H, W) else scratch((N, t * m, s * m, C), out.dtype)
        whole.reshape(N, t, m, s, m, C)[:] = pixels.swapaxes(2, 3)
        if whole is not out:
            out[:] = whole[:, :H, :W]

    def kernel(self, w: np.ndarray, out: np.ndarray) -> None:
        """F of the kernel: (4, 4, C, K) -> (P, 4, C, K)."""
        taps = scratch((2, 2, 2, 2, *w.shape[2:]), w.dtype)
        taps[:] = self._taps(w)
        values = out.reshape(self.points, 4, -1).swapaxes(0, 1)
        np.matmul(transforms(self.m, w.dtype).kernel, taps.reshape(4, 4, -1), out=values)

    def kernel_adjoint(self, values: np.ndarray, out: np.ndarray) -> None:
        """The adjoint of :meth:`kernel`: (P, 4·C, K) -> (4, 4, C, K)."""
        values = values.reshape(self.points, 4, -1).swapaxes(0, 1)
        taps = scratch((2, 2, 2, 2, *out.shape[2:]), out.dtype)
        np.matmul(transforms(self.m, out.dtype).kernel.T, values, out=taps.reshape(4, 4, -1))
        self._taps(out)[:] = taps

    def _room(self, x: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
        """For a block of images: their number; padded to m·t + 1 by m·s + 1 pairs; cut into tiles of pairs.

        (block, 2·(m·t + 1), 2·(m·s + 1), C) and (block, t, s, m + 1, m + 1, 2, 2·C).
        """
        (t, s), m, (N, H, W, C) = self.grid, self.m, x.shape
        block = max(1, min(N, BLOCK // (H * W * C)))
        padded = scratch((block, 2 * (m * t + 1), 2 * (m * s + 1), C), x.dtype)
        return block, padded, scratch((block, t, s, m + 1, m + 1, 2, 2 * C), x.dtype)

    def _blocks(self, N: int, block: int) -> Iterator[tuple[slice, slice, int]]:
        """The images of each block, their tiles, and their number."""
        t, s = self.grid
        for first in range(0, N, block):
            last = min(N, first + block)
            yield slice(first, last), slice(first * t * s, last * t * s), last - first

    @staticmethod
    def _taps(w: np.ndarray) -> np.ndarray:
        """A view of the kernel by pixel within the pair, then by pair: (4, 4, C, K) -> (2, 2, 2, 2, C, K)."""
        return w.reshape(2, 2, 2, 2, *w.shape[2:]).transpose(1, 3, 0, 2, 4, 5)


def _join(pairs: np.ndarray, out: np.ndarray) -> None:
    """Tiles of pairs put together to padded images, what neighbours share added; shapes as in :meth:`Tiles._room`."""
    n, t, s, points, _, _, C2 = pairs.shape
    m = points - 1
    pairs = pairs.transpose(0, 1, 3, 5, 2, 4, 6)
    whole = out.reshape(n, m * t + 1, 2, m * s + 1, C2)
    whole[:, -1] = whole[:, :, :, -1] = 0
    body = whole[:, :-1, :, :-1].reshape(n, t, m, 2, s, m, C2)  # views, all four
    below = whole[:, m::m, :, :-1].reshape(n, t, 2, s, m, C2)
    right = whole[:, :-1, :, m::m].reshape(n, t, m, 2, s, C2)
    corner = whole[:, m::m, :, m::m]
    body[:] = pairs[:, :, :m, :, :, :m]
    below += pairs[:, :, m, :, :, :m]
    right += pairs[:, :, :m, :, :, m]
    corner += pairs[:, :, m, :, :, m]


def _zero_pad(x: np.ndarray, pad: tuple[int, int], out: np.ndarray) -> None:
    """Write x (N, H, W, C) into ``out`` at ``pad`` pixels from its top left, as far as it has room; 0 around it."""
    (ph, pw), (_, H, W, _) = pad, x.shape
    inside = out[:, ph : ph + H, pw : pw + W]
    h, w = inside.shape[1:3]
    out[:, :ph] = out[:, ph + h :] = 0
    out[:, ph : ph + h, :pw] = out[:, ph : ph + h, pw + w :] = 0
    inside[:] = x[:, :h, :w]
