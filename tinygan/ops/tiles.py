"""A 4×4 convolution with stride 2 in 9 products instead of 16: the fast twin of :mod:`tinygan.ops.patches`.

**In one dimension.** Take pixels in pairs. A kernel of four taps with stride 2 is then two taps g₀ g₁ that move by one
pair, and two neighbouring outputs read three pairs d₀ d₁ d₂:

    y₀ = d₀·g₀ + d₁·g₁        y₁ = d₁·g₀ + d₂·g₁

Four products, of which three are enough (Winograd's minimal filtering F(2, 2); Lavin & Gray, arXiv 1509.09308):

    m₀ = (d₀ − d₁)·g₀         y₀ = m₀ + m₁
    m₁ = d₁·(g₀ + g₁)         y₁ = m₁ + m₂
    m₂ = (d₂ − d₁)·g₁

So there are three little linear maps, with nothing in them but additions:

    difference  (d₀, d₁, d₂) -> (d₀ − d₁, d₁, d₂ − d₁)      of the image
    expand      (g₀, g₁)     -> (g₀, g₀ + g₁, g₁)           of the kernel
    contract    (m₀, m₁, m₂) -> (m₀ + m₁, m₁ + m₂)          of the products

and contract is the adjoint of expand. **In two dimensions** each is applied along rows and along columns: nine products
for a tile of 2×2 outputs. Each "product" is a matrix product over tiles, with the 2×2 pixels of a pair of pairs and the
channels as the inner axis. The adjoints of the convolution are made of the adjoints of the maps:

    y  = contract(difference(x) · expand(w))
    dx = differenceᵀ(expand(dy) · expand(w)ᵀ)
    dw = contract(difference(x)ᵀ · expand(dy))

Rounding: as in any sum of differences, a few units in the last place more than the plain form (tested).
"""

from itertools import product
from typing import NamedTuple

import numpy as np

from tinygan.ops.patches import Window
from tinygan.threads import scratch


class Tiles(NamedTuple):
    """The maps of one 4×4 window with stride 2 on images of one size; the names are those of ``PatchCorrelation``.

    T = N·t·s is the number of tiles, t = ⌈H'/2⌉ rows and s = ⌈W'/2⌉ columns of them per image.

    Attributes:
        window: kernel 4×4, stride 2; any padding.
        image_size: (H, W).
    """

    window: Window
    image_size: tuple[int, int]

    @staticmethod
    def fits(window: Window) -> bool:
        """Whether the window is one that this form can do."""
        return window.kernel == (4, 4) and window.stride == (2, 2)

    @property
    def grid(self) -> tuple[int, int]:
        """(t, s)."""
        return tuple(-(-count // 2) for count in self.window.positions(self.image_size))

    def image(self, x: np.ndarray, out: np.ndarray) -> None:
        """Differences of the zero-padded image's pairs: (N, H, W, C) -> (9, T, 4·C)."""
        padded = scratch(self._padded_shape(x), x.dtype)
        _zero_pad(x, self.window.pad, padded)
        pairs, rows, columns = self._pairs_rows_columns(padded, out)
        _difference(pairs, rows.swapaxes(1, 2))
        _difference(np.moveaxis(rows, 4, 0), np.moveaxis(columns, 5, 1))

    def image_adjoint(self, tiles: np.ndarray, out: np.ndarray) -> None:
        """The adjoint of :meth:`image`: (9, T, 4·C) -> (N, H, W, C)."""
        padded = scratch(self._padded_shape(out), out.dtype)
        pairs, rows, columns = self._pairs_rows_columns(padded, tiles)
        _difference_adjoint(np.moveaxis(columns, 5, 1), np.moveaxis(rows, 4, 0))
        _difference_adjoint(rows.swapaxes(1, 2), pairs)
        (_, H, W, _), (ph, pw) = out.shape, self.window.pad
        seen = padded[:, ph : ph + H, pw : pw + W]
        out[:, seen.shape[1] :] = out[:, :, seen.shape[2] :] = 0  # what no place of the kernel reaches
        out[:, : seen.shape[1], : seen.shape[2]] = seen

    def map(self, y: np.ndarray, out: np.ndarray) -> None:
        """Expanded 2×2 tiles of the convolution's output side: (N, H', W', C) -> (9, T, C)."""
        N, H, W, C = y.shape
        tiles = out.reshape(3, 3, N, *self.grid, C)
        if H % 2 or W % 2:
            tiles[:] = 0
        for i, j in product((0, 1), repeat=2):
            part = y[:, i::2, j::2]
            tiles[2 * i, 2 * j, :, : part.shape[1], : part.shape[2]] = part
        _fill_in_sums(tiles)

    def map_adjoint(self, tiles: np.ndarray, out: np.ndarray) -> None:
        """The adjoint of :meth:`map`, contraction: (9, T, C) -> (N, H', W', C)."""
        N, _, _, C = out.shape
        tiles = tiles.reshape(3, 3, N, *self.grid, C)
        rows = scratch((2, *tiles.shape[1:]), tiles.dtype)
        np.add(tiles[:2], tiles[1:], out=rows)
        for i, j in product((0, 1), repeat=2):
            part = out[:, i::2, j::2]
            region = np.s_[:, : part.shape[1], : part.shape[2]]
            np.add(rows[i, j][region], rows[i, j + 1][region], out=part)

    def kernel(self, w: np.ndarray, out: np.ndarray) -> None:
        """Expanded kernel: (4, 4, C, K) -> (9, 4, C, K)."""
        taps, expanded = self._taps(w), out.reshape(3, 3, 2, 2, *w.shape[2:])
        expanded[::2, ::2] = taps
        _fill_in_sums(expanded)

    def kernel_adjoint(self, tiles: np.ndarray, out: np.ndarray) -> None:
        """The adjoint of :meth:`kernel`, contraction: (9, 4, C, K) -> (4, 4, C, K)."""
        tiles = tiles.reshape(3, 3, 2, 2, *out.shape[2:])
        rows = scratch((2, *tiles.shape[1:]), tiles.dtype)
        np.add(tiles[:2], tiles[1:], out=rows)
        np.add(rows[:, :2], rows[:, 1:], out=self._taps(out))

    def _padded_shape(self, x: np.ndarray) -> tuple[int, int, int, int]:
        """Room for 2t + 1 pairs by 2s + 1 pairs of pixels."""
        t, s = self.grid
        return x.shape[0], 4 * t + 2, 4 * s + 2, x.shape[3]

    def _pairs_rows_columns(self, padded: np.ndarray, tiles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The three stages of the image's transform, as views: pairs, cut along rows, cut along columns too.

        (2t+1, N, 2, 2s+1, 2·C), (3, N, t, 2, 2s+1, 2·C), (3, 3, N, t, 2, s, 2·C) with the columns' three first.
        """
        (N, _, _, C), (t, s) = padded.shape, self.grid
        pairs = padded.reshape(N, 2 * t + 1, 2, 2 * s + 1, 2 * C).swapaxes(0, 1)
        rows = scratch((3, N, t, 2, 2 * s + 1, 2 * C), padded.dtype)
        columns = tiles.reshape(3, 3, N, t, s, 2, 2 * C).transpose(1, 0, 2, 3, 5, 4, 6)
        return pairs, rows, columns

    @staticmethod
    def _taps(w: np.ndarray) -> np.ndarray:
        """A view of the kernel by pair, then by pixel within the pair: (4, 4, C, K) -> (2, 2, 2, 2, C, K)."""
        return w.reshape(2, 2, 2, 2, *w.shape[2:]).swapaxes(1, 2)


def _difference(pairs: np.ndarray, out: np.ndarray) -> None:
    """(d₀, d₁, d₂) -> (d₀ − d₁, d₁, d₂ − d₁) for every tile: (2t + 1, ...) -> (3, t, ...)."""
    first, middle, last = pairs[:-1:2], pairs[1::2], pairs[2::2]
    np.subtract(first, middle, out=out[0])
    out[1] = middle
    np.subtract(last, middle, out=out[2])


def _difference_adjoint(tiles: np.ndarray, out: np.ndarray) -> None:
    """(m₀, m₁, m₂) -> (m₀, m₁ − m₀ − m₂, m₂), summed where tiles share a pair: (3, t, ...) -> (2t + 1, ...)."""
    middle = out[1::2]
    np.subtract(tiles[1], tiles[0], out=middle)
    middle -= tiles[2]
    out[0] = tiles[0, 0]
    out[-1] = tiles[2, -1]
    np.add(tiles[0, 1:], tiles[2, :-1], out=out[2:-1:2])


def _fill_in_sums(tiles: np.ndarray) -> None:
    """Complete an expansion along both axes, (3, 3, ...), of which the four corners are there."""
    np.add(tiles[::2, 0], tiles[::2, 2], out=tiles[::2, 1])
    np.add(tiles[0], tiles[2], out=tiles[1])


def _zero_pad(x: np.ndarray, pad: tuple[int, int], out: np.ndarray) -> None:
    """Write x (N, H, W, C) into ``out`` at ``pad`` pixels from its top left, as far as it has room; 0 around it."""
    (ph, pw), (_, H, W, _) = pad, x.shape
    inside = out[:, ph : ph + H, pw : pw + W]
    h, w = inside.shape[1:3]
    out[:, :ph] = out[:, ph + h :] = 0
    out[:, ph : ph + h, :pw] = out[:, ph : ph + h, pw + w :] = 0
    inside[:] = x[:, :h, :w]
