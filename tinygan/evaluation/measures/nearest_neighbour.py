"""Leave-one-out 1-nearest-neighbour two-sample test (Lopez-Paz & Oquab 2017, 1610.06545; Xu et al. 2018, 1806.07755).

Real and fake images are pooled, and each is classified by its nearest neighbour among all others. Where the
two sets come from one distribution, no classifier does better than chance: 0.5.

- both halves near 1: the sets lie apart;
- real half low: the fakes sit on these real images, closer than real images sit to each other: copies, which shows
  memorising where they are the training images (``evaluate.py measures`` compares with held-out ones);
- real half low, fake half high: the fakes are clustered around a few real images: dropped modes.

Xu et al. find this test the best of several, *in a suitable feature space*. Raw pixels are not one, so whitened
principal components stand beside them; both are only as good as what such distances see.
"""

import numpy as np

from tinygan.errors import InputError
from tinygan.evaluation.measures import pca
from tinygan.evaluation.measures.inputs import check_pair

ROWS = 512  # of the distance matrix, computed at once


def nearest_neighbour_test(real: np.ndarray, fake: np.ndarray, seed: int = 0) -> dict:
    """The test in raw pixels and in at most 64 whitened principal components of the real images, N at least 2.

    Returns ``pixels`` and ``pca``, as :func:`accuracy`. Over samples of N and N images of one distribution each half
    varies by about 1 / sqrt(2 N) around 0.5; unequal counts would move the 0.5.
    """
    check_pair(real, fake, at_least=2)
    whitening = pca.fit(real, seed=seed)
    return {
        "pixels": accuracy(real.reshape(len(real), -1), fake.reshape(len(fake), -1)),
        "pca": accuracy(whitening(real), whitening(fake)),
    }


def accuracy(real: np.ndarray, fake: np.ndarray) -> dict:
    """Leave-one-out accuracy of the 1-NN classifier on rows of features (N, K), N at least 2, of any real type.

    Returns ``real``, ``fake``: share of that half whose nearest neighbour is of the same half; ``both``: their mean.
    An image as near to a real as to a fake one counts half, so exact copies do not depend on the order of the rows.
    uint8 distances are exact. Raises InputError for other shapes.
    """
    if real.ndim != 2 or real.shape != fake.shape or len(real) < 2:
        raise InputError(f"two sets of equally many, at least 2 rows are needed, not {real.shape} and {fake.shape}")
    to_fake, to_real = _nearest_distances(real, fake), _nearest_distances(fake, real)
    halves = {
        "real": _share_nearer(_nearest_distances(real, real, leave_out_self=True), to_fake),
        "fake": _share_nearer(_nearest_distances(fake, fake, leave_out_self=True), to_real),
    }
    return {**halves, "both": (halves["real"] + halves["fake"]) / 2}


def _nearest_distances(queries: np.ndarray, others: np.ndarray, leave_out_self: bool = False) -> np.ndarray:
    """Squared distance, float64 (N,), of each query (N, K) to its nearest row of ``others`` (M, K)."""
    # |x - y|² = |x|² - 2 x·y + |y|², one matrix product per block of both sets. In float64 whole numbers up to 2^53
    # make all of that exact, which float32 is not: ties of equal images stay ties.
    nearest = np.full(len(queries), np.inf)
    for column in range(0, len(others), ROWS):
        y = others[column : column + ROWS].astype(np.float64)
        squares = np.square(y).sum(1)
        for row in range(0, len(queries), ROWS):
            x = queries[row : row + ROWS].astype(np.float64)
            distances = np.square(x).sum(1)[:, None] - 2 * (x @ y.T) + squares
            if leave_out_self and row == column:
                np.fill_diagonal(distances, np.inf)
            nearest[row : row + ROWS] = np.minimum(nearest[row : row + ROWS], distances.min(1))
    return nearest


def _share_nearer(same: np.ndarray, other: np.ndarray) -> float:
    return float(((same < other) + 0.5 * (same == other)).mean())
