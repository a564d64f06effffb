"""The images' main directions, each scaled to variance 1: a feature space without any trained network.

In raw pixels the distance of two images is mostly that of their brightness and large areas, which hold most of the
variance. Whitening gives the 64th direction the same say as the first.
"""

from typing import NamedTuple

import numpy as np

from tinygan.evaluation.measures.inputs import blocks, check
from tinygan.rng import rng_for

COMPONENTS = 64
OVERSAMPLING = 16
ITERATIONS = 4


class Whitening(NamedTuple):
    """Features of an image x, flattened to (D,): (x - mean) · directions, (K,), variance 1 over the fitted set."""

    mean: np.ndarray  # (D,)
    directions: np.ndarray  # (D, K)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """float32 (N, K) of uint8 (N, H, W, 3) in the size that was fitted."""
        return np.concatenate([_rows(block, self.mean) @ self.directions for block in blocks(images)])


def fit(images: np.ndarray, seed: int = 0) -> Whitening:
    """Principal components by subspace iteration from a random start (Halko, Martinsson & Tropp 2011, 0909.4061).

    Neither a D x D covariance nor an N x D float copy is ever made; the memory is that of a few (D, K + 16) arrays.
    Four iterations separate directions well where the spectrum falls; within a flat stretch of it any basis of the
    subspace is as good, since all of them are scaled to variance 1. There are 64, or min(N - 1, 3HW)
    if that is less; N at least 2. A direction without variance gives zeros.
    """
    check(images, at_least=2)
    size = images[0].size
    mean = (sum(block.sum(0, dtype=np.float64) for block in blocks(images)) / len(images)).ravel().astype(np.float32)
    width = min(COMPONENTS + OVERSAMPLING, size)
    basis = rng_for(seed, "pca start").standard_normal((size, width), np.float32)
    for _ in range(ITERATIONS):
        basis = np.linalg.qr(sum(rows.T @ (rows @ basis) for rows in (_rows(b, mean) for b in blocks(images))))[0]
    gram = sum(part.T @ part for part in (_rows(b, mean) @ basis for b in blocks(images))).astype(np.float64)
    variances, vectors = np.linalg.eigh(gram / (len(images) - 1))
    order = np.argsort(variances)[::-1][: min(COMPONENTS, len(images) - 1)]
    # Images are whole numbers: directions with less than a millionth of the first one's variance hold rounding only.
    alive = variances[order] > 1e-6 * max(variances[order[0]], 1.0)
    scale = np.where(alive, 1 / np.sqrt(np.where(alive, variances[order], 1)), 0)
    return Whitening(mean, basis @ (vectors[:, order] * scale).astype(np.float32))


def _rows(block: np.ndarray, mean: np.ndarray) -> np.ndarray:
    return block.reshape(len(block), -1) - mean
