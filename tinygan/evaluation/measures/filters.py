"""Separable filtering and the Laplacian pyramid: what the measures that look at several scales share."""

import numpy as np

BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16  # Burt & Adelson's generating kernel with a = 3/8


def separable(images: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Correlate (N, H, W, C) with the outer product of ``taps`` (K,) with itself, without any padding.

    Returns (N, H - K + 1, W - K + 1, C): only places where the whole window lies inside the image.
    """
    rows = images.shape[1] - len(taps) + 1
    columns = images.shape[2] - len(taps) + 1
    down = sum(tap * images[:, k : k + rows] for k, tap in enumerate(taps))
    return sum(tap * down[:, :, k : k + columns] for k, tap in enumerate(taps))


def gaussian(size: int, sigma: float) -> np.ndarray:
    """The taps of a Gaussian window, float64 (size,), centred (between two taps for an even size), with sum 1."""
    offsets = np.arange(size) - (size - 1) / 2
    taps = np.exp(-0.5 * np.square(offsets / sigma))
    return taps / taps.sum()


def shrink(images: np.ndarray) -> np.ndarray:
    """Blur (N, H, W, C) with the binomial kernel and keep every second pixel: (N, ceil(H / 2), ceil(W / 2), C)."""
    return _smooth(images)[:, ::2, ::2]


def grow(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """The enlarged (N, height, width, C) of :func:`shrink`'s output: zeros in between, the same blur, times 4."""
    spread = np.zeros((len(images), height, width, images.shape[3]), images.dtype)
    spread[:, ::2, ::2] = 4 * images  # one pixel of four is not zero
    return _smooth(spread)


def laplacian_pyramid(images: np.ndarray, levels: int) -> list[np.ndarray]:
    """Band-pass images from fine to coarse; the last level is the low-pass rest (Burt & Adelson 1983).

        level_k = g_k - grow(g_k+1),   g_0 = images,   g_k+1 = shrink(g_k),   the last level = its g

    for floats (N, H, W, C): (N, H_k, W_k, C), each half as high and wide as the one before (odd sides rounded up).
    """
    pyramid = []
    for _ in range(levels - 1):
        smaller = shrink(images)
        pyramid.append(images - grow(smaller, *images.shape[1:3]))
        images = smaller
    return [*pyramid, images]


def _smooth(images: np.ndarray) -> np.ndarray:
    """Mirrored at the border, edge pixel not repeated: zeros put in between keep their places beyond the edge too."""
    return separable(np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect"), BINOMIAL)
