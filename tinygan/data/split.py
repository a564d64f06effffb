"""Which images train, which choose the best checkpoint, and which are kept for the final figure."""

from typing import NamedTuple

import numpy as np

from tinygan.streams import stream

RUNNING_TEST_IMAGES = 200  # the paper's two sizes
FINAL_TEST_IMAGES = 2000


class Split(NamedTuple):
    """Indices into an ImageSet, int64, pairwise disjoint, together all of 0 .. N-1, each in random order.

    Attributes:
        train: the images that the discriminator sees.
        running: the images of the running test, whose lowest loss chooses the best checkpoint.
        final: the images of the final test, which no decision of the run ever looks at.
    """

    train: np.ndarray
    running: np.ndarray
    final: np.ndarray


def split(count: int, seed: int = 0) -> Split:
    """Divide ``count`` images by a seeded permutation: 200 running test, 2000 final test, the rest for training.

    A small set gives at most 1/20 and 1/10 of itself to the tests, which may leave a test empty (fewer than 20 and
    10 images); training always gets something.

    ``seed`` is not the training seed and normally stays 0: every run on a data set is then tested on the same
    images, so that losses of different runs can be compared, and a checkpoint can be evaluated later without having
    seen its test images in another run's training. The paper's code drew its split once, without a seed, into a file
    beside the data, and took the running test from *inside* the final test: the checkpoint was chosen on part of the
    images that it was then reported on (notes, B11 and B12). Here the three are disjoint.

    Raises:
        ValueError: there is no image to split.
    """
    if count < 1:
        raise ValueError(f"cannot split {count} images")
    running_count = min(RUNNING_TEST_IMAGES, count // 20)
    final_count = min(FINAL_TEST_IMAGES, count // 10)
    # Sorting raw words instead of Generator.permutation: NumPy promises that a bit generator's words never change,
    # but not how a permutation is made of them, and this one must be the same in ten years.
    words = stream(seed, "split").bit_generator.random_raw(count)
    order = np.argsort(words, kind="stable").astype(np.int64)
    running, final, train = np.split(order, [running_count, running_count + final_count])
    return Split(train, running, final)
