"""Mean and standard deviation per channel: tint, contrast and dead pixels.

Necessary, never sufficient; but the sliced Wasserstein distance cannot see these, since it takes them out.
"""

import numpy as np

from tinygan.evaluation.measures.inputs import blocks, check, check_pair


def moments(images: np.ndarray) -> dict:
    """``mean`` and ``deviation`` of red, green, blue over all pixels, on 0 to 255; share of ``dead`` pixels.

    A pixel is dead if all three of its values are the same in every image of at least 2. Sums of whole numbers, so
    exact whatever the size of the blocks.
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
    return {"mean": mean.tolist(), "deviation": np.sqrt(variance).tolist(), "dead": float(1 - alive.mean())}


def moment_differences(real: np.ndarray, fake: np.ndarray) -> dict:
    """The moments of two sets, each by name: fake less real, and in ``real`` and ``fake`` each set's own."""
    check_pair(real, fake, at_least=2)
    ours, theirs = moments(real), moments(fake)
    less = {name: np.subtract(theirs[name], ours[name]).tolist() for name in ours}
    return {**less, "real": ours, "fake": theirs}
