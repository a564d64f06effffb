"""What goes into an iteration: latent codes and images, in the form that the networks take."""

import numpy as np

from tinygan.array import Array
from tinygan.device import Backend
from tinygan.errors import InputError
from tinygan.layers.base import described
from tinygan.rng import rng_for
from tinygan.training.options import Options

PREVIEW_COUNT = 100


def latent_codes(options: Options, iteration: int, batches: int) -> np.ndarray:
    """Standard normal codes of iteration 1, 2, …, (batches, N, Z)."""
    return rng_for(options.seed, "latent codes", iteration).standard_normal(
        (batches, options.batch_size, options.code_size)
    )


def preview_codes(options: Options) -> np.ndarray:
    """The codes of the sample grids, (100, Z): the same for the whole run."""
    return rng_for(options.seed, "preview codes").standard_normal((PREVIEW_COUNT, options.code_size))


def to_unit_range(images: np.ndarray, backend: Backend) -> Array:
    """uint8 images (N, H, W, 3), on the host or there already -> [0, 1] on the device; bytes travel, not floats."""
    if images.dtype != np.uint8:
        raise InputError(f"expected images as bytes, uint8 (N, H, W, 3); found {described(images)}")
    return backend.xp.asarray(images).astype(backend.dtype) / 255


def learning_rate(options: Options, iteration: int) -> float:
    """Of iteration 1, 2, …: rises linearly over the first ``warmup`` iterations, then stays."""
    return options.learning_rate * min(1.0, iteration / max(1, options.warmup))
