"""What a plot is drawn from: a curve's points, few enough for a page, and the axes that they lie on."""

import math
from dataclasses import dataclass

import numpy as np

POINTS = 500  # more than a screen shows apart
TICKS = 5  # about so many
SMALLEST = 1e-45  # of a logarithmic axis: float32 has no smaller number
LOGARITHMIC_TICKS = ((10, (1, 1.5, 2, 3, 4, 5, 7)), (1000, (1, 2, 5)), (math.inf, (1,)))  # up to which high / low


@dataclass(frozen=True)
class Series:
    """One curve: ``y`` over ``x``, and the lowest and highest value that each point stands for, (points,) each.

    Attributes:
        style: class of its colour and dash pattern in the style sheet.
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
    x, mean = np.rint(np.add.reduceat(x, starts) / counts), np.add.reduceat(y, starts) / counts
    low, high = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    return Series(label, style, x, mean, low, high, int(counts.max()))


def evenly(items: list, count: int) -> list:
    """At most ``count`` of the items, evenly spread, the first and the last among them."""
    if len(items) <= count:
        return items
    return [items[index] for index in np.linspace(0, len(items) - 1, count).round().astype(int)]


@dataclass(frozen=True)
class Axis:
    """From ``low`` to ``high``, linear or logarithmic."""

    low: float
    high: float
    logarithmic: bool = False

    @classmethod
    def around(cls, values: np.ndarray, margin: float = 0.06) -> "Axis":
        """A logarithmic axis around positive values, a linear one around others, with some room on both sides."""
        low, high = float(values.min()), float(values.max())
        if low > 0:
            low, high = max(low, SMALLEST), max(high, SMALLEST)
            room = max((high / low) ** margin, 1.02)
            return cls(low / room, high * room, logarithmic=True)
        room = max((high - low) * margin, 1e-6)
        return cls(low - room, high + room)

    def position(self, values: np.ndarray | float) -> np.ndarray:
        """0 at ``low``, 1 at ``high``."""
        low, high, values = self.low, self.high, np.asarray(values, float)
        if self.logarithmic:
            low, high, values = math.log(low), math.log(high), np.log(np.maximum(values, 1e-300))
        return (values - low) / (high - low)

    def ticks(self) -> list[tuple[float, str]]:
        """Round values with their labels: 1, 2, 5, 10, … on a logarithmic axis, even steps on a linear or short one."""
        if self.logarithmic and self.high / self.low > 2:
            factors = next(factors for most, factors in LOGARITHMIC_TICKS if self.high / self.low < most)
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            values = [factor * 10.0**power for power in powers for factor in factors]
            return [(value, f"{value:g}") for value in values if self.low <= value <= self.high]
        step = _round_step((self.high - self.low) / TICKS)
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [(k * step, f"{k * step:,.{decimals}f}") for k in range(first, last + 1)]


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5, 10, … times a power of ten that is not below ``least``."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))
