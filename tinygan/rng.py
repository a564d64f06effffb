"""Random numbers as a pure function of (seed, purpose, index).

Nothing that draws has a state: iteration 7's latent codes are the same whether the run got there in one go, was
resumed at 6, or runs on another device. So a checkpoint needs no generator states, and a new consumer of random
numbers cannot shift the numbers of an old one.
"""

import zlib

import numpy as np


def rng_for(seed: int, purpose: str, index: int = 0) -> np.random.Generator:
    """A generator for one use: counter-based (Philox), keyed by the run's seed, the purpose's name and an index.

    ``purpose`` is what the numbers are for, such as "latent"; its CRC-32 enters the key. ``index`` is that of an
    iteration, epoch or image. Seed and index are non-negative.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, zlib.crc32(purpose.encode()), index))))
