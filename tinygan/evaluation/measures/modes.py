"""Modes of the embedded data set that a generator covers, counted one by one.

The idea of stacked MNIST (Metz et al. 2017, 1611.02163) and of the numbers reported there (Srivastava et al. 2017,
VEEGAN, 1705.07761): modes covered, share of good samples, KL divergence to the uniform distribution. Modes are read off
by the nearest template, not by a trained classifier.
"""

import numpy as np

from tinygan.data import shapes
from tinygan.errors import InputError
from tinygan.evaluation.measures.inputs import check

# No threshold takes every real image and nothing else. Of 440,000 drawn images the worst explained one lies at 0.475,
# so at 0.45 the real share is 1; noise and empty images (below 0.1) never pass, but 96 in 100 images with
# two figures do, and 20 in 100 means of two images.
GOOD = 0.45
# The nearest template is now and then a neighbour (1 drawn image in 9,000: a plus read as a diamond, a colour as the
# next), always of an image explained below 0.69. So only a clearer one shows that a mode is there, and the count is
# exact; 99 of 100 drawn images are clearer.
CLEAR = 0.7


def modes(images: np.ndarray) -> dict:
    """Modes covered, share of good samples and KL divergence to uniform, for the ``shapes`` data set.

    A sample is good if its nearest template explains at least 0.45 of it (:func:`tinygan.data.shapes.decode`), which
    holds for every real image; a mode is covered by a sample explained at 0.7 or more, which is never misread.
    16,384 true samples, (N, 32, 32, 3), show all 1024 modes with probability 0.9998.

    Returns ``samples``: N; ``share_good``; ``share_clear``: of the samples explained at 0.7 or more; ``covered``: modes
    of 1024; ``covered_if_uniform``: what as many clear samples of the true distribution cover on average; ``kl``: KL
    divergence of the good samples' histogram to uniform, nats, 0 to ln 1024 = 6.93; ``kl_if_uniform``: its mean for as
    many samples of the uniform distribution, :func:`uniform_kl`; both None without a good sample; ``explained``: median
    over all samples, 0.88 on drawn images.
    """
    check(images)
    if images.shape[1:] != (shapes.SIDE, shapes.SIDE, 3):
        raise InputError(f"the data set's images are {shapes.SIDE}x{shapes.SIDE}, not {images.shape[1:3]}")
    labels, explained = shapes.decode(images)
    counts = np.bincount(labels[explained >= GOOD], minlength=shapes.MODES)
    clear = np.bincount(labels[explained >= CLEAR], minlength=shapes.MODES)
    good = int(counts.sum())
    return {
        "samples": len(images),
        "share_good": good / len(images),
        "share_clear": float(clear.sum() / len(images)),
        "covered": int((clear > 0).sum()),
        "covered_if_uniform": uniform_coverage(int(clear.sum()), shapes.MODES),
        "kl": kl_to_uniform(counts) if good else None,
        "kl_if_uniform": uniform_kl(good, shapes.MODES) if good else None,
        "explained": float(np.median(explained)),
    }


def uniform_coverage(samples: int, bins: int) -> float:
    """The mean number of K bins that n samples of the uniform distribution hit: K (1 - (1 - 1/K)^n)."""
    return float(-bins * np.expm1(samples * np.log1p(-1 / bins)))


def kl_to_uniform(counts: np.ndarray) -> float:
    """Σ p ln(p K) in nats, p = counts / n, over K bins: 0 for equal counts, ln K for one bin. (K,), sum at least 1."""
    p = counts[counts > 0] / counts.sum()
    return float(np.sum(p * np.log(p * len(counts))))


def uniform_kl(samples: int, bins: int) -> float:
    """The mean of :func:`kl_to_uniform` over n samples of the uniform distribution itself: its small-sample floor.

        E KL = K Σ_c P(c) (c / n) ln(c K / n),   c ~ Binomial(n, 1 / K)

    Exact, since each of the K bins holds such a count and means add up. About (K - 1) / 2n for n far above K. n at
    least 1, K at least 2.
    """
    counts = np.arange(1, samples + 1)
    # ln P(c) from ln P(c - 1): P(c) / P(c - 1) = (n - c + 1) / c / (K - 1). Products would underflow at P(0).
    log_ratios = np.log((samples - counts + 1) / counts) - np.log(bins - 1)
    log_p = samples * np.log1p(-1 / bins) + np.cumsum(log_ratios)
    return float(bins * np.sum(np.exp(log_p) * counts / samples * np.log(counts * bins / samples)))
