"""Random streams: pure functions of (seed, purpose, index)."""

import numpy as np

from tinygan.rng import rng_for


def numbers(*key):
    return rng_for(*key).standard_normal(4)


def test_the_same_key_gives_the_same_numbers_and_another_key_others():
    base = numbers(3, "latent codes", 7)
    np.testing.assert_array_equal(base, numbers(3, "latent codes", 7))
    for other in ((4, "latent codes", 7), (3, "preview codes", 7), (3, "latent codes", 8)):
        assert not np.isclose(base, numbers(*other)).any()
