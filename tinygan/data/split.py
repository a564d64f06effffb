"""Which images train, which choose the best checkpoint, and which are kept for the final figure."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tinygan.rng import rng_for

RUNNING_TEST_IMAGES = 200  # the paper's two sizes
FINAL_TEST_IMAGES = 2000
TESTS = ("running", "final")
# What a split must be in a file, see jsonfile.py.
SPLIT = {"seed": int, "partition": str | None, "train": int, "running": dict[str, int], "final": dict[str, int]}


class Split(NamedTuple):
    """Indices into an ImageSet, int64, pairwise disjoint, each in random order; without a partition all of 0 .. N-1."""

    train: np.ndarray  # what the discriminator sees
    running: np.ndarray  # the running test, whose lowest loss chooses the best checkpoint
    final: np.ndarray  # the final test, which no decision of the run ever looks at


def split(
    count: int,
    seed: int = 0,
    running: int = RUNNING_TEST_IMAGES,
    final: int = FINAL_TEST_IMAGES,
    partition: np.ndarray | None = None,
) -> Split:
    """Divide ``count`` images (ValueError for none) by a seeded permutation: running test, final test, training.

    A small set gives at most 1/20 and 1/10 of itself to the tests, which may leave a test empty (fewer than 20 and
    10 images); training always gets something.

    ``seed`` is not the training seed and normally stays 0: every run on a data set is then tested on the same
    images, so that losses of different runs can be compared, and a checkpoint can be evaluated later without having
    seen its test images in another run's training. The paper's code drew its split once, without a seed, into a file
    beside the data, and took the running test from *inside* the final test: the checkpoint was chosen on part of the
    images that it was then reported on (notes, B11 and B12). Here the three are disjoint.

    ``running`` and ``final`` are the wanted sizes. ``partition``, (N,) of 0, 1 and 2, is an official division into
    training, validation and test: all of the first trains, the running test is drawn from the second, the final test
    from the third, and what is left of these two is not used.
    """
    if count < 1:
        raise ValueError(f"cannot split {count} images")
    # Sorting raw words instead of Generator.permutation: NumPy promises that a bit generator's words never change,
    # but not how a permutation is made of them, and this one must be the same in ten years.
    words = rng_for(seed, "split").bit_generator.random_raw(count)
    order = np.argsort(words, kind="stable").astype(np.int64)
    if partition is not None:
        of = [order[partition[order] == code] for code in range(3)]
        return Split(of[0], of[1][:running], of[2][:final])
    running, final = min(running, count // 20), min(final, count // 10)
    first, second, rest = np.split(order, [running, running + final])
    return Split(rest, first, second)


def split_to_json(division: Split, seed: int, partition: str | None, name_of: Callable[[int], str]) -> dict:
    """What ``dataset.json`` says of a split: test images by name, so that it can never silently mean other images.

    The rows of the training images, which may be millions, lie beside it. ``seed`` is the split's, ``partition`` the
    name of the official partition's file, ``name_of`` gives a row's unique name.
    """
    tests = {test: {name_of(row): int(row) for row in getattr(division, test)} for test in TESTS}
    return {"seed": seed, "partition": partition, "train": len(division.train), **tests}


def split_from_json(stored: dict, train: np.ndarray, count: int) -> Split:
    """The inverse of :func:`split_to_json` for ``count`` images; ValueError for a row beyond them, or one twice."""
    division = Split(train, *(np.array(list(stored[test].values()), np.int64) for test in TESTS))
    rows = np.concatenate(division)
    if rows.min(initial=0) < 0 or rows.max(initial=0) >= count:
        raise ValueError("the split uses an image that is not there")
    if np.bincount(rows).max(initial=0) > 1:
        raise ValueError("the split uses an image twice")
    return division
