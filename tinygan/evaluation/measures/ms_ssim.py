"""Mean multi-scale SSIM of random pairs: how alike the images of one set are (Odena et al. 2017, 1610.09585).

1 says that every pair shows the same image: collapse. It says nothing about quality (noise scores low), hardly sees
colour or texture, and what is normal depends on the data; so it is read against the same figure of the real images.
"""

import numpy as np

from tinygan.errors import InputError
from tinygan.evaluation.measures import filters
from tinygan.evaluation.measures.inputs import BLOCK, check, check_pair
from tinygan.evaluation.statistics import mean_error
from tinygan.rng import rng_for

WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])  # fine to coarse: Wang, Simoncelli & Bovik 2003
WINDOW, SIGMA = 11, 1.5  # pixels
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
SMALLEST = 8  # pixels: the last scale's shorter side
PAIRS = 2000  # at most: the standard error is then about 0.004; the literature often takes 10,000


def mean_ms_ssim(images: np.ndarray, seed: int = 0) -> dict:
    """Mean MS-SSIM of disjoint random pairs of at least 2 images, higher = less diverse.

    Returns ``mean`` in [0, 1]; ``standard_error`` of that mean; ``pairs``, min(N // 2, 2000); ``scales``.
    """
    check(images, at_least=2)
    pairs = min(len(images) // 2, PAIRS)
    first, second = rng_for(seed, "ms-ssim pairs").permutation(len(images))[: 2 * pairs].reshape(2, pairs)
    values = ms_ssim(images[first], images[second])
    mean, count = float(values.mean()), scales(*images.shape[1:3])
    return {"mean": mean, "standard_error": mean_error(values), "pairs": pairs, "scales": count}


def scales(height: int, width: int) -> int:
    """As many halvings as leave 8 pixels, at most the 5 of the paper: 3 at 32 px, 4 at 64 px, 5 from 128 px on."""
    return min(len(WEIGHTS), (min(height, width) // SMALLEST).bit_length())


def ms_ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multi-scale SSIM of each pair (Wang, Simoncelli & Bovik 2003, "Multiscale structural similarity").

        Π_j<M cs_j^w_j · ssim_M^w_M

    over M scales, each the 2x2 average of the one before; float64 (N,) in [0, 1]. With fewer than 5 scales the first
    M weights are divided by their sum. Means are taken over places and channels; a negative one counts as 0, having no
    real power. Images of at least 8 pixels each way.
    """
    check_pair(a, b)
    count = scales(*a.shape[1:3])
    if count == 0:
        raise InputError(f"images must be at least {SMALLEST} pixels high and wide, not {a.shape[1:3]}")
    weights = WEIGHTS[:count] / WEIGHTS[:count].sum()
    result = np.ones(len(a))
    for start in range(0, len(a), BLOCK):
        rows = slice(start, start + BLOCK)
        x, y = a[rows].astype(np.float64), b[rows].astype(np.float64)
        for scale, weight in enumerate(weights):
            luminance, contrast = ssim_parts(x, y)
            term = contrast if scale < count - 1 else luminance * contrast
            result[rows] *= np.maximum(term.mean((1, 2, 3)), 0) ** weight
            x, y = _halve(x), _halve(y)
    return result


def ssim_parts(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SSIM's two factors at every place where the window fits (Wang et al. 2004, equations 6 and 13).

        l = (2 μx μy + C1) / (μx² + μy² + C1),   cs = (2 σxy + C2) / (σx² + σy² + C2)

    for float64 (N, H, W, C), values 0 to 255; each (N, H - K + 1, W - K + 1, C) with K = min(11, H, W). The window is
    Gaussian, 11 pixels with σ = 1.5; a smaller image's has as many as the image, and σ shrinks in proportion.
    """
    size = min(WINDOW, *x.shape[1:3])
    taps = filters.gaussian(size, SIGMA * size / WINDOW)
    mean_x, mean_y = filters.separable(x, taps), filters.separable(y, taps)
    product, squares = mean_x * mean_y, mean_x**2 + mean_y**2
    covariance = filters.separable(x * y, taps) - product
    variances = filters.separable(x * x + y * y, taps) - squares
    return (2 * product + C1) / (squares + C1), (2 * covariance + C2) / (variances + C2)


def _halve(images: np.ndarray) -> np.ndarray:
    """Averages of 2x2 pixels; an odd last row or column is left out."""
    height, width = images.shape[1] // 2 * 2, images.shape[2] // 2 * 2
    images = images[:, :height, :width]
    return (images[:, ::2, ::2] + images[:, 1::2, ::2] + images[:, ::2, 1::2] + images[:, 1::2, 1::2]) / 4
