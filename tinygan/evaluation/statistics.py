"""The standard error of a mean."""

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
