"""Sliced Wasserstein distance of Laplacian pyramid patches (Karras et al. 2018, 1710.10196, section 5).

The fine levels compare texture and sharpness, the coarse ones structure. What to know before trusting a number:

- Each set is standardised by *its own* mean and standard deviation per channel, as in the paper. So a tint or a
  change of contrast of all images is invisible here; ``moments.py`` shows it.
- Two finite samples of one distribution are never at distance 0. The distance of two disjoint real sets of the same
  size is the floor that belongs beside every value; it varies too (1000 ``shapes`` images: 10 and 15 for two pairs).
- At most 65,536 patches per set are used, against 2.1 million in the paper (16,384 images, 128 patches each), and so
  the values can be compared with each other at equal image counts, but not with the paper's.
"""

import numpy as np

from tinygan.errors import InputError
from tinygan.evaluation.measures import filters
from tinygan.evaluation.measures.inputs import BLOCK, blocks, check_pair
from tinygan.rng import rng_for

PATCH = 7  # pixels
PATCHES_PER_IMAGE = 128
PATCHES = 65_536  # of a set; with 147 float32 each, 39 MB per level
REPEATS, DIRECTIONS = 4, 128
SMALLEST = 16  # pixels: the last level
SCALE = 1e3


def sliced_wasserstein_distance(real: np.ndarray, fake: np.ndarray, seed: int = 0) -> dict:
    """How far apart the patches of two image sets are, level by level.

        1000 · mean over 4·128 unit directions u of W1(u·a, u·b),   a, b: standardised 7x7x3 patches

    H and W at least 7. The two sets share the places of the patches and the directions, so that a set compared with
    itself is at distance 0. Returns ``levels``: the distance by the level's shorter side in pixels, from the full size
    down to 16 (only the full size for images below 32); ``mean``: of the levels. At least 0, symmetric.
    """
    check_pair(real, fake)
    side = min(real.shape[1:3])
    if side < PATCH:
        raise InputError(f"images must be at least {PATCH} pixels high and wide, not {real.shape[1:3]}")
    distances = {}
    for level, (a, b) in enumerate(zip(descriptors(real, seed), descriptors(fake, seed), strict=True)):
        distances[str(-(-side // 2**level))] = SCALE * distance(standardise(a), standardise(b), seed)
    return {"levels": distances, "mean": float(np.mean(list(distances.values())))}


def descriptors(images: np.ndarray, seed: int) -> list[np.ndarray]:
    """Random patches of every level, float32 (P, 7, 7, 3), P = min(128 N, 65,536), spread evenly over the images."""
    count = min(PATCHES_PER_IMAGE * len(images), PATCHES)
    owners = np.arange(count) * len(images) // count if len(images) <= count else np.arange(count)
    levels = 1 + max(0, (min(images.shape[1:3]) // SMALLEST).bit_length() - 1)
    found = [np.empty((count, PATCH, PATCH, 3), np.float32) for _ in range(levels)]
    for number, block in enumerate(blocks(images)):
        first, last = np.searchsorted(owners, (number * BLOCK, number * BLOCK + len(block)))
        pyramid = filters.laplacian_pyramid(block.astype(np.float32), levels)
        for level, band in enumerate(pyramid):
            windows = np.lib.stride_tricks.sliding_window_view(band, (PATCH, PATCH), axis=(1, 2))
            corners = rng_for(seed, f"sliced wasserstein patches {level}", number).random((2, last - first))
            y, x = (corners.T * windows.shape[1:3]).astype(int).T
            found[level][first:last] = windows[owners[first:last] - number * BLOCK, y, x].transpose(0, 2, 3, 1)
    return found


def standardise(patches: np.ndarray) -> np.ndarray:
    """(P, 7, 7, 3) as rows (P, 147), each channel with mean 0 and standard deviation 1 over the set (0 if constant)."""
    mean = patches.mean((0, 1, 2), dtype=np.float64)
    deviation = patches.std((0, 1, 2), dtype=np.float64)
    # Below a thousandth of a grey level there is nothing but rounding, which must not be blown up to 1.
    scaled = (patches - mean.astype(np.float32)) / np.where(deviation > 1e-3, deviation, 1).astype(np.float32)
    return scaled.reshape(len(patches), -1)


def distance(a: np.ndarray, b: np.ndarray, seed: int) -> float:
    """Mean W1 of the projections of (P, K) and (P, K) on 4·128 random directions.

    In one dimension the best transport pairs the sorted values: W1 = mean of |sort(a·u) - sort(b·u)|.
    """
    total = 0.0
    for repeat in range(REPEATS):
        directions = rng_for(seed, "sliced wasserstein directions", repeat).standard_normal((DIRECTIONS, a.shape[1]))
        directions = (directions / np.linalg.norm(directions, axis=1, keepdims=True)).astype(np.float32)
        for few in np.split(directions, 8):  # sorting rows that stay in the cache
            total += float(np.abs(np.sort(few @ a.T) - np.sort(few @ b.T)).mean(dtype=np.float64)) / 8
    return total / REPEATS
