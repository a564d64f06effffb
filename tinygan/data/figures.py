"""The eight figures of the embedded data set as signed distance functions.

``FIGURES[k](x, y)`` takes coordinates relative to the figure's centre in units of its radius, x to the right and y
downwards, float arrays of one shape, and returns how far each point lies outside (negative: inside) in the same unit.
Near the edge that is the true distance, and so ``clip(0.5 - distance in pixels, 0, 1)`` is the share of a pixel that
the figure covers: an anti-aliased picture without drawing anything twice.

Only additions, products, square roots and comparisons are used. IEEE 754 fixes their results to the last bit, so the
pictures are the same on every machine, which sine and cosine would not guarantee.
"""

import numpy as np


def disc(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Radius 1."""
    return np.sqrt(x * x + y * y) - 1.0


def ring(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Between the radii 0.56 and 1."""
    return np.abs(np.sqrt(x * x + y * y) - 0.78) - 0.22


def square(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sides of 1.8."""
    return np.maximum(np.abs(x), np.abs(y)) - 0.9


def diamond(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Standing on a corner, narrower than high: a square turned by 45° would be too close to the disc."""
    return 0.8660254 * np.abs(x) + 0.5 * np.abs(y) - 0.57


def triangle(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pointing upwards: inside all of three half-planes."""
    return np.maximum(y - 0.75, 0.8660254 * np.abs(x) - 0.5 * y - 0.5)


def plus(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The union of two bars."""
    x, y = np.abs(x), np.abs(y)
    long, wide = 1.0, 0.34
    return np.minimum(np.maximum(x - long, y - wide), np.maximum(x - wide, y - long))


def star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The pentagram with its tips: the points inside at least four of five half-planes.

    So the second largest of the five distances decides. Each tip points along the normal of one half-plane.
    """
    first = second = np.full_like(x, -np.inf)
    for cosine, sine in _PENTAGON:
        distance = cosine * x + sine * y - 0.38
        second = np.maximum(second, np.minimum(first, distance))
        first = np.maximum(first, distance)
    return second


_PENTAGON = (
    (0.9510565, -0.3090170),
    (0.0, -1.0),  # the tip that points upwards
    (-0.9510565, -0.3090170),
    (-0.5877853, 0.8090170),
    (0.5877853, 0.8090170),
)


def moon(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A disc less another one, the horns to the right."""
    bite = np.sqrt((x - 0.55) * (x - 0.55) + y * y) - 0.8
    return np.maximum(disc(x, y), -bite)


FIGURES = (disc, ring, square, diamond, triangle, plus, star, moon)
