"""A split as a packed set keeps it: the test images by name, so that it can never silently mean other images."""

from collections.abc import Callable

import numpy as np

from tinygan.data.split import Split, random_order

TESTS = ("running", "final")


def split_to_json(division: Split, count: int, seed: int, partition: str | None, name_of: Callable[[int], str]) -> dict:
    """What ``dataset.json`` says of a split; the inverse is :func:`split_from_json`.

    Args:
        count: N, images in the set.
        seed: that the split was drawn with.
        partition: name of the official partition's file, or None.
        name_of: from a row of the set to its unique name.
    """
    unused = np.ones(count, bool)
    for rows in division:
        unused[rows] = False
    return {
        "seed": seed,
        "partition": partition,
        "train": len(division.train),
        "unused": _ranges(np.flatnonzero(unused)),  # [first, last + 1] of each run of rows
        **{test: {name_of(row): int(row) for row in getattr(division, test)} for test in TESTS},
    }


def split_from_json(stored: dict, count: int) -> Split:
    """The split of a set of ``count`` images, in the same order as it was drawn.

    Raises:
        ValueError, TypeError, KeyError: ``stored`` is not what :func:`split_to_json` writes, or names a row twice.
    """
    running, final = (np.array(list(stored[test].values()), np.int64) for test in TESTS)
    used = np.zeros(count, np.int64)
    np.add.at(used, np.concatenate([running, final]), 1)
    for first, end in stored["unused"]:
        used[first:end] += 1
    # A row below 0 would count from the end.
    if min(running.min(initial=0), final.min(initial=0)) < 0 or used.max() > 1:
        raise ValueError("the split uses an image twice")
    order = random_order(count, stored["seed"])
    train = order[used[order] == 0]
    if len(train) != stored["train"]:
        raise ValueError(f"the split leaves {len(train)} images for training, not {stored['train']}")
    return Split(train, running, final)


def _ranges(rows: np.ndarray) -> list[list[int]]:
    """Sorted numbers as [first, last + 1] of each run without gaps."""
    runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
    return [[int(run[0]), int(run[-1]) + 1] for run in runs if len(run)]
