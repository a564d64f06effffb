"""A plot: curves as SVG in a box that may take any shape, its labels as text around it, its numbers as a table below.

The SVG is stretched to the box (lines keep their width), the labels are placed in per cent of it: so the plot is as
wide as the screen, and its text as large as all other text. The script reads the values that it shows from the table,
which is also what people read who do not see the curves.
"""

import numpy as np

from tinygan.report.markup import Element, element, row, swatch, table
from tinygan.report.series import Axis, Series

UNITS = 10_000  # the SVG's coordinates go from 0 to this on both axes
STYLES = 6  # run-0 … run-5 of the style sheet


def plot(
    name: str,
    title: str,
    caption: str | None,
    series: list[Series],
    x: Axis,
    y: Axis,
    y_title: str,
    decimals: int,
    line: tuple[float, str] | None = None,
    heading: str = "h3",
) -> Element:
    """A figure with a curve of each series over iterations.

    Args:
        name: unique in the page.
        y_title: what is plotted, with its unit.
        decimals: of the values in the table and the read-out.
        line: a value to draw a horizontal line at, and what to call it.
        heading: element of the title.
    """
    marks = [_line(0, UNITS, _down(y, value), _down(y, value), "grid") for value, _ in y.ticks()]
    marks += [_line(_across(x, value), _across(x, value), 0, UNITS, "grid") for value, _ in x.ticks()]
    if line:
        marks.append(_line(0, UNITS, _down(y, line[0]), _down(y, line[0]), "reference"))
    for one in reversed(series):  # the first on top
        across, mean, low, high = _across(x, one.x), _down(y, one.y), _down(y, one.low), _down(y, one.high)
        if one.block > 1:
            outline = [*zip(across, high, strict=True), *reversed(list(zip(across, low, strict=True)))]
            marks.append(element("path", class_=f"band {one.style}", d=_path(outline) + "Z"))
        class_ = f"curve {one.style}" + (" point" if len(across) == 1 else "")
        marks.append(element("path", class_=class_, d=_path(zip(across, mean, strict=True)) + "h0"))
    view = {"viewBox": f"0 0 {UNITS} {UNITS}", "preserveAspectRatio": "none", "role": "img"}
    picture = element("svg", marks, **view, aria_label=describe(title, series, decimals))
    labels = [_label("x-tick", text, left=x.position(value)) for value, text in x.ticks()]
    labels += [_label("y-tick", text, top=1 - y.position(value)) for value, text in y.ticks()]
    if line:
        labels.append(_label("reference-label", line[1], top=1 - y.position(line[0])))
    scale = ", logarithmic scale" if y.logarithmic else ""
    return element(
        "figure",
        element("figcaption", element(heading, title, id=name), caption and element("p", caption)),
        element("p", y_title + scale, class_="axis-title", aria_hidden="true"),
        element("div", picture, labels, class_="area", data_x=_numbers(x), data_y=_numbers(y)),
        element("p", "iteration", class_="axis-title x", aria_hidden="true"),
        element("p", class_="reading", aria_hidden="true"),
        element("ul", [_legend(one) for one in series], class_="legend"),
        _table(title, series, decimals),
        class_="plot",
        aria_labelledby=name,
    )


def describe(title: str, series: list[Series], decimals: int) -> str:
    """The plot in words: where each curve ends, and its lowest point."""
    parts = [f"Line plot, {title}."]
    for one in series:
        lowest = one.y.argmin()
        parts.append(
            f"{one.label}: lowest {one.y[lowest]:.{decimals}f} at iteration {one.x[lowest]:,.0f}, "
            f"last {one.y[-1]:.{decimals}f} at iteration {one.x[-1]:,.0f}."
        )
    return " ".join(parts)


def run_style(index: int) -> str:
    """The colour and dash pattern of the run at ``index``, the same everywhere in the page."""
    return f"run-{index % STYLES}" + (" again" if index >= STYLES else "")


def _across(axis: Axis, values: np.ndarray | float) -> np.ndarray:
    return np.rint(np.clip(axis.position(values), -1, 2) * UNITS).astype(int)


def _down(axis: Axis, values: np.ndarray | float) -> np.ndarray:
    """As :func:`_across` for the other direction, in which SVG counts from the top."""
    return np.rint((1 - np.clip(axis.position(values), -1, 2)) * UNITS).astype(int)


def _path(points) -> str:
    return "M" + " ".join(f"{x},{y}" for x, y in points)


def _line(x1: int, x2: int, y1: int, y2: int, class_: str) -> Element:
    return element("line", class_=class_, x1=x1, x2=x2, y1=y1, y2=y2)


def _label(class_: str, text: str, **place: float) -> Element:
    style = "".join(f"{side}:{100 * value:.2f}%" for side, value in place.items())
    return element("span", text, class_=class_, style=style, aria_hidden="true")


def _numbers(axis: Axis) -> str:
    return f"{float(axis.low)!r} {float(axis.high)!r} {'log' if axis.logarithmic else 'linear'}"


def _legend(one: Series) -> Element:
    return element("li", swatch(one.style), element("span", one.label), element("span", class_="value"))


def _table(title: str, series: list[Series], decimals: int) -> Element:
    """All points of all series, a row per iteration that any of them has."""
    curves = [dict(zip(one.x.tolist(), one.y.tolist(), strict=True)) for one in series]
    rows = []
    for iteration in sorted(set().union(*curves)):
        cells = [f"{curve[iteration]:.{decimals}f}" if iteration in curve else "" for curve in curves]
        rows.append(row(f"{iteration:.0f}", cells))
    block = max(one.block for one in series)
    means = f" Each value is the mean of up to {block} lines of the log." if block > 1 else ""
    columns = ("iteration", *(one.label for one in series))
    values = table(f"{title}, as a table", columns, rows, class_="points", caption=f"{title}.{means}")
    return element("details", element("summary", "The values as a table"), values)
