"""What every measure takes: sets of 8-bit images on the host, looked at in blocks."""

from collections.abc import Iterator

import numpy as np

from tinygan.errors import InputError

BLOCK = 256  # images turned into floats at once: 6 MB at 32x32, 403 MB at 256x256, whatever the size of the set


def check(images: np.ndarray, at_least: int = 1) -> None:
    """Raise InputError unless ``images`` is uint8 (N, H, W, 3) with N >= ``at_least``."""
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3:
        found = f"{images.dtype} {images.shape}" if isinstance(images, np.ndarray) else type(images).__name__
        raise InputError(f"images must be a NumPy array, uint8 (N, H, W, 3), not {found}")
    if len(images) < at_least:
        raise InputError(f"at least {at_least} images are needed, not {len(images)}")


def check_pair(real: np.ndarray, fake: np.ndarray, at_least: int = 1) -> None:
    """Raise InputError unless both are image sets of one shape: most measures depend on how many images they see."""
    check(real, at_least)
    check(fake, at_least)
    if real.shape != fake.shape:
        raise InputError(f"both sets must have the same count and image size, not {real.shape} and {fake.shape}")


def blocks(images: np.ndarray) -> Iterator[np.ndarray]:
    """The images in order, at most ``BLOCK`` at a time, as views."""
    for start in range(0, len(images), BLOCK):
        yield images[start : start + BLOCK]
