"""A plot: curves as SVG in a box that may take any shape, its labels as text around it, its numbers as a table below.

The SVG is stretched to the box (lines keep their width), the labels are placed in per cent of it: so the plot is as
wide as the screen, and its text as large as all other text. The script reads the values that it shows from the table,
which is also what people read who do not see the curves.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

UNITS = 10_000  # the SVG's coordinates go from 0 to this on both axes
STYLES = 6  # run-0 … run-5 of the style sheet
POINTS = 500  # more than a screen shows apart
TICKS = 5  # of an axis, about
MARGIN = 0.06  # share of an axis that stays free at either end
SMALLEST = 1e-45  # of a logarithmic axis: float32 has no smaller number
LOGARITHMIC_TICKS = ((10, (1, 1.5, 2, 3, 4, 5, 7)), (1000, (1, 2, 5)), (math.inf, (1,)))  # up to which high / low


@dataclass(frozen=True)
class Series:
    """One curve: ``y`` over ``x``, and the lowest and highest value that each point stands for, (points,) each."""

    label: str
    style: str  # class of its colour and dash pattern in the style sheet
    x: np.ndarray
    y: np.ndarray
    low: np.ndarray
    high: np.ndarray
    block: int = 1  # how many values a point is the mean of, at most


def thin(label: str, style: str, x: np.ndarray, y: np.ndarray) -> Series:
    """At most ``POINTS`` points: means over blocks of neighbours, with the lowest and highest value of each block.

    ``x`` becomes the rounded mean of its block, so that it stays an iteration.
    """
    if len(x) <= POINTS:
        return Series(label, style, x, y, y, y)
    edges = np.linspace(0, len(x), POINTS + 1).astype(int)
    starts, counts = edges[:-1], np.diff(edges)
    x, mean = np.rint(np.add.reduceat(x, starts) / counts), np.add.reduceat(y, starts) / counts
    low, high = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    return Series(label, style, x, mean, low, high, int(counts.max()))


@dataclass(frozen=True)
class Axis:
    """From ``low`` to ``high``, linear or logarithmic."""

    low: float
    high: float
    logarithmic: bool = False

    @classmethod
    def around(cls, values: np.ndarray) -> "Axis":
        """A logarithmic axis around positive values, a linear one around others, with some room on both sides."""
        low, high = float(values.min()), float(values.max())
        if low > 0:
            low, high = max(low, SMALLEST), max(high, SMALLEST)
            room = max((high / low) ** MARGIN, 1.02)
            return cls(low / room, high * room, logarithmic=True)
        room = max((high - low) * MARGIN, 1e-6)
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


@dataclass(frozen=True)
class Plot:
    """A curve of each series over iterations, as report.html draws it."""

    name: str  # unique in the page
    title: str
    series: list[Series]
    x: Axis
    y: Axis
    y_title: str  # what is plotted, with its unit
    decimals: int  # of the values in the table and the read-out
    caption: str | None = None
    line: tuple[float, str] | None = None  # a value to draw a horizontal line at, and what to call it
    heading: str = "h3"  # element of the title

    def across(self, values: np.ndarray | float) -> np.ndarray:
        """The SVG's x of these iterations."""
        return np.rint(np.clip(self.x.position(values), -1, 2) * UNITS).astype(int)

    def down(self, values: np.ndarray | float) -> np.ndarray:
        """The SVG's y of these values, counted from the top."""
        return np.rint((1 - np.clip(self.y.position(values), -1, 2)) * UNITS).astype(int)

    def paths(self) -> Iterator[tuple[str, str]]:
        """(class, path data) of each curve, its band first; the first series comes last, on top."""
        for one in reversed(self.series):
            across, mean = self.across(one.x), self.down(one.y)
            if one.block > 1:
                above = zip(across, self.down(one.high), strict=True)
                below = zip(across[::-1], self.down(one.low)[::-1], strict=True)
                yield f"band {one.style}", _path([*above, *below]) + "Z"
            single = " point" if len(across) == 1 else ""
            yield f"curve {one.style}{single}", _path(zip(across, mean, strict=True)) + "h0"

    def rows(self) -> list[tuple[float, list[float | None]]]:
        """All points of all series: each iteration that any of them has, with the values."""
        curves = [dict(zip(one.x.tolist(), one.y.tolist(), strict=True)) for one in self.series]
        return [(iteration, [curve.get(iteration) for curve in curves]) for iteration in sorted(set().union(*curves))]


def run_style(index: int) -> str:
    """The colour and dash pattern of the run at ``index``, the same everywhere in the page."""
    return f"run-{index % STYLES}" + (" again" if index >= STYLES else "")


def _path(points: Iterable[tuple[int, int]]) -> str:
    return "M" + " ".join(f"{x},{y}" for x, y in points)
