"""A convolution as a product of polynomials: 25 products where 64 seem due.

**In one dimension.** Cut the image's pixels into blocks of s, the stride, and the kernel's s·r taps into r blocks. In
the transposed convolution every pixel xᵢ of the input paints r blocks, xᵢ·gⱼ into block i + j: the blocks are the
coefficients of a product of polynomials,

    (x₀ + x₁z + … + xₘ₋₁zᵐ⁻¹)·(g₀ + … + gᵣ₋₁zʳ⁻¹)

A polynomial with n = m + r − 1 coefficients is known from its values at n points. So evaluate both factors there,
multiply value by value, and interpolate (Toom and Cook): n products instead of m·r. With E, F, V the matrices that
evaluate m, r and n coefficients at the points:

    blocks = V⁻¹(E·x ∘ F·g)

The convolution is the adjoint of that map, x = Eᵀ(V⁻ᵀ·blocks ∘ F·g), known as Winograd's minimal filtering (Lavin &
Gray, arXiv 1509.09308). **In two dimensions** the feature map is cut into tiles of m×m pixels, and each matrix acts
along rows and along columns: n² products for a tile instead of m²r². For a 4×4 kernel with stride 2 (r = 2) these are 9
instead of 16 at m = 2 and 25 instead of 64 at m = 4; for a 3×3 kernel (r = 3) 16 instead of 36 at m = 2. Each "product"
is itself a matrix product over all tiles, with the s×s pixels of a block and the channels as the inner axis. The
convolution y of an input x with a kernel w and both of its gradients are made of the same three matrices:

    y  = Eᵀ(V⁻ᵀ·x ∘ F·w)          x: the input's blocks
    dx = V⁻¹(E·dy ∘ F·w)
    dw = Fᵀ(V⁻ᵀ·x ∘ E·dy)

**Points and rounding.** The usual points 0, ±1, ±2, ∞ save multiplications, and cost accuracy as soon as there are more
than three. Here the transforms are matrix products themselves, so all points cost the same. These are directions
(cos θ, sin θ), equally spaced, at which Σ xᵢ·cosᵐ⁻¹⁻ⁱθ·sinⁱθ is evaluated: no coefficient is ever large. In float32,
with 2,048 terms of random sign, the root mean square of the error is that of the plain form times 1.2 with 3 points,
1.7 with 4, 3 with 5 (with 0, ±1, ½, ∞ it would be 7), 6 with 6. The values of a tile share their rounding: beside a
pixel of 1e4, a neighbour of 1e-4 is off by several times its value, and one NaN spoils all outputs of the tiles that it
lies in (16 or 64 of a 4×4 kernel's, where the plain form spoils 4). Other images stay clean.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np


class Matrices(NamedTuple):
    """The matrices of both dimensions at once, Kronecker squares; P = n² evaluation points."""

    tile: np.ndarray  # E⊗E, (P, m²)
    kernel: np.ndarray  # F⊗F, (P, r²)
    interpolation: np.ndarray  # (V⊗V)⁻¹, (P, P)


@lru_cache
def matrices(m: int, r: int, dtype: np.dtype) -> Matrices:
    """The matrices for tiles of m×m pixels of the feature map and kernels of r×r blocks.

    >>> [matrix.shape for matrix in matrices(4, 2, np.dtype("float32"))]
    [(25, 16), (25, 4), (25, 25)]
    """
    n = m + r - 1
    angles = np.arange(n)[:, None] * np.pi / n

    def evaluation(coefficients: int) -> np.ndarray:
        """Of polynomials at the points: (n, coefficients)."""
        power = np.arange(coefficients)
        return np.cos(angles) ** (coefficients - 1 - power) * np.sin(angles) ** power

    one_dimension = evaluation(m), evaluation(r), np.linalg.inv(evaluation(n))
    return Matrices(*(np.kron(matrix, matrix).astype(dtype) for matrix in one_dimension))
