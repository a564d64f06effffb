"""Mean and standard deviation per channel: tint, contrast and dead pixels.

Necessary, never sufficient; but the sliced Wasserstein distance cannot see these, since it takes them out.
"""

from typing import NamedTuple

import numpy as np

from tinygan.evaluation.measures.inputs import blocks, check, check_pair


class Moments(NamedTuple):
    """Of one set, in grey levels 0 to 255: ``mean`` and ``deviation`` of red, green, blue; ``dead``, a share."""

    mean: list[float]
    deviation: list[float]
    dead: float


def moments(images: np.ndarray) -> Moments:
    """Channel means and standard deviations over all images and pixels, and the share of dead pixels.

    A pixel is dead if all three of its values are the same in every image. Sums of whole numbers, so exact whatever
    the size of the blocks.

    Args:
        images: uint8 (N, H, W, 3), N at least 2: in one image alone every pixel is constant.

    Raises:
        ValueError: no image set or fewer than 2 images.
    """
    check(images, at_least=2)
    sums, squares, alive = np.zeros(3, np.int64), np.zeros(3, np.int64), np.zeros(images.shape[1:3], bool)
    for block in blocks(images):
        sums += block.sum((0, 1, 2), dtype=np.int64)
        squares += np.square(block, dtype=np.uint32).sum((0, 1, 2), dtype=np.int64)
        alive |= (block != images[0]).any((0, 3))
    count = images.size // 3
    mean = sums / count
    # In whole numbers first (Python's, which do not overflow): the difference of two large squares would lose digits.
    variance = [(count * int(q) - int(s) ** 2) / count**2 for s, q in zip(sums, squares, strict=True)]
    return Moments(mean.tolist(), np.sqrt(variance).tolist(), float(1 - alive.mean()))


def moment_differences(real: np.ndarray, fake: np.ndarray) -> dict:
    """How the moments of two sets differ.

    Args:
        real, fake: uint8 (N, H, W, 3), the same shape, N at least 2.

    Returns:
        ``mean``, ``deviation``: fake less real of red, green, blue, in grey levels; ``dead``: fake less real share;
        ``real``, ``fake``: each set's own, by name.

    Raises:
        ValueError: no image sets, different shapes or fewer than 2 images.
    """
    check_pair(real, fake, at_least=2)
    ours, theirs = moments(real), moments(fake)
    return {
        "mean": np.subtract(theirs.mean, ours.mean).tolist(),
        "deviation": np.subtract(theirs.deviation, ours.deviation).tolist(),
        "dead": theirs.dead - ours.dead,
        "real": ours._asdict(),
        "fake": theirs._asdict(),
    }
