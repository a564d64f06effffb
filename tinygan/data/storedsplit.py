"""A split as a packed set keeps it: the test images by name, so that it can never silently mean other images."""

from collections.abc import Callable

import numpy as np

from tinygan.data.split import Split

TESTS = ("running", "final")
# What it must be in a file, see jsonfile.py.
SPLIT = {"seed": int, "partition": str | None, "train": int, "running": dict[str, int], "final": dict[str, int]}


def split_to_json(division: Split, seed: int, partition: str | None, name_of: Callable[[int], str]) -> dict:
    """What ``dataset.json`` says of a split; the rows of the training images, which may be millions, lie beside it.

    Args:
        seed: that the split was drawn with.
        partition: name of the official partition's file, or None.
        name_of: from a row of the set to its unique name.
    """
    tests = {test: {name_of(row): int(row) for row in getattr(division, test)} for test in TESTS}
    return {"seed": seed, "partition": partition, "train": len(division.train), **tests}


def split_from_json(stored: dict, train: np.ndarray, count: int) -> Split:
    """The inverse of :func:`split_to_json`.

    Args:
        train: rows of the training images in their order, int64.
        count: N, images in the set.

    Raises:
        ValueError: a row is outside the set, or in it twice.
    """
    division = Split(train, *(np.array(list(stored[test].values()), np.int64) for test in TESTS))
    rows = np.concatenate(division)
    if rows.min(initial=0) < 0 or rows.max(initial=0) >= count:
        raise ValueError("the split uses an image that is not there")
    used = np.zeros(count, bool)
    used[rows] = True
    if used.sum() != len(rows):
        raise ValueError("the split uses an image twice")
    return division
