"""The two statistics of this project: the standard error of a mean, and Spearman's rank correlation."""

import math

import numpy as np


def standard_error(deviation: float, count: int) -> float | None:
    """Of a mean over ``count`` values from their deviation σ without Bessel's correction: σ / √(count − 1).

    None for fewer than 2 values, which say nothing about it.

    >>> standard_error(3.0, 10)
    1.0
    """
    return float(deviation) / math.sqrt(count - 1) if count > 1 else None


def mean_error(values: np.ndarray) -> float | None:
    """The standard error of the mean of these values, (N,)."""
    return standard_error(values.std(), len(values))


def rank_correlation(x: np.ndarray, y: np.ndarray) -> float | None:
    """Spearman's ρ: the correlation of the ranks of two series (N,), in [−1, 1]; equal values share their mean rank.

    None where it is not defined: fewer than 2 values, or all values of a series equal.

    >>> rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([3.0, 4.0, 5.0]))
    1.0
    """
    x, y = (_ranks(values) - (len(values) - 1) / 2 for values in (x, y))
    scale = math.sqrt((x @ x) * (y @ y))
    return float(x @ y) / scale if scale else None


def _ranks(values: np.ndarray) -> np.ndarray:
    """0 for the lowest; of equal values, the mean of their places in the order."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[group]
