"""A curve's points, few enough for a page."""

from dataclasses import dataclass

import numpy as np

POINTS = 500  # more than a screen shows apart


@dataclass(frozen=True)
class Series:
    """One curve: ``y`` over ``x``, and the lowest and highest value that each point stands for, (points,) each.

    Attributes:
        style: number of its colour and dash pattern in the style sheet.
        block: how many values a point is the mean of, at most.
    """

    label: str
    style: str
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    block: int = 1


def thin(label: str, style: str, x: np.ndarray, y: np.ndarray, points: int = POINTS) -> Series:
    """At most ``points`` points: means over blocks of neighbours, with the lowest and highest value of each block.

    ``x`` becomes the rounded mean of its block, so that it stays an iteration.
    """
    if len(x) <= points:
        return Series(label, style, x, y, y, y)
    edges = np.linspace(0, len(x), points + 1).astype(int)
    starts, counts = edges[:-1], np.diff(edges)
    return Series(
        label,
        style,
        np.rint(np.add.reduceat(x, starts) / counts),
        np.add.reduceat(y, starts) / counts,
        np.minimum.reduceat(y, starts),
        np.maximum.reduceat(y, starts),
        int(counts.max()),
    )


def evenly(items: list, count: int) -> list:
    """At most ``count`` of the items, evenly spread, the first and the last among them."""
    if len(items) <= count:
        return items
    return [items[index] for index in np.linspace(0, len(items) - 1, count).round().astype(int)]
