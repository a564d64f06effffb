"""A plot: curves as SVG in a box that may take any shape, its labels as text around it, its numbers as a table below.

The SVG is stretched to the box (lines keep their width), the labels are placed in per cent of it: so the plot is as
wide as the screen, and its text as large as all other text. The script reads the values that it shows from the table,
which is also what people read who do not see the curves.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tinygan.report.series import Axis, Series

UNITS = 10_000  # the SVG's coordinates go from 0 to this on both axes
STYLES = 6  # run-0 … run-5 of the style sheet


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
