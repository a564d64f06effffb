"""Patches of an image as the rows of a matrix, and the adjoint: what makes a convolution a matrix product.

:class:`PatchCorrelation` is cross-correlation as a bilinear map with its two adjoints, all that convolution and its
transpose are made of. Three things meet in it: an image x (N, H, W, C), a kernel w (kh, kw, C, K) and a map
y (N, H', W', K). Each is first brought into a form a = A(x), u = B(w), d = D(y) in which what remains is a product of
matrices:

    y  = Dᵀ(a·u)        to_map
    dx = Aᵀ(d·uᵀ)       to_image
    dw = Bᵀ(aᵀ·d)       to_kernel

Here A is unfold, and B and D only change the shape. This is the plain version: it runs on every device. The fast ones,
of the CPU (``cores.py``) and of the GPU (``gpu/correlation.py``), have the same methods and are tested against it.
"""

from typing import NamedTuple

from tinygan.array import Array, array_module


class Window(NamedTuple):
    """How a kernel moves over an image; pairs are (vertical, horizontal), in pixels."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int]

    def positions(self, image_size: tuple[int, int]) -> tuple[int, int]:
        """How many places (H', W') the kernel has on an (H, W) image: floor((H + 2·pad − kernel)/stride) + 1."""
        return tuple((side + 2 * p - k) // s + 1 for side, k, s, p in zip(image_size, *self, strict=True))

    def image_size(self, positions: tuple[int, int]) -> tuple[int, int]:
        """The smallest image (H, W) on which the kernel has (H', W') places: (H' − 1)·stride + kernel − 2·pad."""
        return tuple((count - 1) * s + k - 2 * p for count, k, s, p in zip(positions, *self, strict=True))


def unfold(image: Array, window: Window) -> Array:
    """Every patch that the kernel sees as a row: (N, H, W, C) -> (N·H'·W', kh·kw·C).

    Row (n, i, j) holds image[n, i·stride : i·stride + kh, j·stride : j·stride + kw, :] of the zero-padded image, in
    that order. One copy, from a strided view in which the patches overlap; none where they do not and are already rows
    (a 1×1 kernel, a kernel over the whole map): then the result is a view of ``image``, not to be written to.
    """
    (kh, kw), (sh, sw), pad = window
    N, H, W, C = image.shape
    rows, columns = window.positions((H, W))
    padded = zero_pad(image, pad)
    n, h, w, c = padded.strides
    patches = array_module(image).lib.stride_tricks.as_strided(
        padded, (N, rows, columns, kh, kw, C), (n, h * sh, w * sw, h, w, c)
    )
    return patches.reshape(N * rows * columns, kh * kw * C)


def fold(patches: Array, window: Window, image_shape: tuple[int, int, int, int]) -> Array:
    """Add every patch back to where :func:`unfold` took it from: (N·H'·W', kh·kw·C) -> (N, H, W, C).

    The adjoint: Σ unfold(a)·b = Σ a·fold(b) for all a, b. Pixels in several patches receive the sum, pixels in none
    receive 0. Patches overlap, but a block of stride×stride taps does not: over all patches it tiles the image. So the
    kernel is taken block by block, each one strided addition (four for a 4×4 kernel with stride 2), and nothing is
    scattered with atomics: the result is the same from run to run. A kernel over the whole image has one patch, and
    nothing to add: then the result is a view of ``patches``.
    """
    (kh, kw), (sh, sw), (ph, pw) = window
    N, H, W, C = image_shape
    if (kh, kw, ph, pw) == (H, W, 0, 0):
        return patches.reshape(image_shape)
    rows, columns = window.positions((H, W))
    patches = patches.reshape(N, rows, columns, kh, kw, C)
    tiles = -(-(H + 2 * ph) // sh), -(-(W + 2 * pw) // sw)
    padded = array_module(patches).zeros((N, tiles[0], sh, tiles[1], sw, C), patches.dtype)
    for i in range(0, kh, sh):
        for j in range(0, kw, sw):
            block = patches[:, :, :, i : i + sh, j : j + sw].transpose(0, 1, 3, 2, 4, 5)  # (N, H', ≤sh, W', ≤sw, C)
            top, left = i // sh, j // sw
            target = padded[:, top : top + rows, : block.shape[2], left : left + columns, : block.shape[4]]
            target += block  # a view; CuPy would copy it onto itself after `padded[...] += block`
    return padded.reshape(N, tiles[0] * sh, tiles[1] * sw, C)[:, ph : ph + H, pw : pw + W]


class PatchCorrelation:
    """The correlation of one window with images of one shape.

    Args:
        window: kernel, stride, padding.
        image_shape: of the image side, (N, H, W, C).
        out: channels K of the map side.

    Attributes:
        points: how many forms of the kernel's taps u has; kernels made for the same number may be exchanged.
    """

    points = 1

    def __init__(self, window: Window, image_shape: tuple[int, int, int, int], out: int):
        self.window, self.image_shape = window, tuple(image_shape)
        self.map_shape = (image_shape[0], *window.positions(image_shape[1:3]), out)
        self.kernel_shape = (*window.kernel, image_shape[3], out)

    def image(self, x: Array) -> Array:
        """a = the patches of x (N, H, W, C) as rows, (N·H'·W', kh·kw·C)."""
        return unfold(x, self.window)

    def map(self, y: Array) -> Array:
        """d = y (N, H', W', K) as rows, (N·H'·W', K)."""
        return y.reshape(-1, y.shape[-1])

    def kernel(self, w: Array) -> Array:
        """u = w (kh, kw, C, K) as a matrix, (kh·kw·C, K)."""
        return w.reshape(-1, w.shape[-1])

    def to_map(self, a: Array, u: Array, b: Array | None = None) -> Array:
        """Dᵀ(a·u), a new array (N, H', W', K); plus b (K), if given."""
        y = (a @ u).reshape(self.map_shape)
        return y if b is None else y + b

    def to_image(self, d: Array, u: Array, b: Array | None = None) -> Array:
        """Aᵀ(d·uᵀ), a new array (N, H, W, C); plus b (C), if given."""
        x = fold(d @ u.T, self.window, self.image_shape)
        return x if b is None else x + b

    def to_kernel(self, a: Array, d: Array) -> Array:
        """Bᵀ(aᵀ·d), a new array (kh, kw, C, K)."""
        return (a.T @ d).reshape(self.kernel_shape)

    def image_to_map(self, x: Array, u: Array, b: Array | None = None) -> Array:
        """to_map(image(x), u, b), where the patches are not needed again."""
        return self.to_map(self.image(x), u, b)

    def map_to_image(self, y: Array, u: Array, b: Array | None = None) -> Array:
        """to_image(map(y), u, b), where the rows are not needed again."""
        return self.to_image(self.map(y), u, b)


def zero_pad(image: Array, pad: tuple[int, int]) -> Array:
    """Zeros around the image: (N, H, W, C) -> (N, H + 2·ph, W + 2·pw, C), contiguous; itself, if pad is 0."""
    xp = array_module(image)
    ph, pw = pad
    if ph == pw == 0:
        return xp.ascontiguousarray(image)
    N, H, W, C = image.shape
    padded = xp.zeros((N, H + 2 * ph, W + 2 * pw, C), image.dtype)
    padded[:, ph : ph + H, pw : pw + W] = image
    return padded
