"""Initial values of parameters: the bounds of the 2017 libraries that the paper ran on (notes A3).

Each initialiser is a function of (generator, shape) that returns a float64 host array, so that a network starts from
the same numbers on every device and in every precision.
"""

from collections.abc import Callable

import numpy as np

Initialiser = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def uniform(low: float, high: float) -> Initialiser:
    """Values uniform in [low, high)."""
    return lambda rng, shape: rng.uniform(low, high, shape)


def fan_in_uniform(fan_in: int, factor: float = 1.0) -> Initialiser:
    """Values uniform in ±factor/√fan_in.

    ``fan_in`` is C_in·kh·kw for convolutions *and* transposed convolutions; today's PyTorch counts C_out for the
    latter, a bound that is √2 larger in the paper's generator.
    """
    bound = factor / np.sqrt(fan_in)
    return uniform(-bound, bound)


def constant(value: float) -> Initialiser:
    """Every element equals ``value``."""
    return lambda rng, shape: np.full(shape, value)
