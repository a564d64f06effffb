"""Samples of the same codes side by side: a row for each run, a column for each of a few iterations."""

import numpy as np

from tinygan.evaluation.runsummary import RunSummary
from tinygan.images import GAP
from tinygan.report.curves import swatch
from tinygan.report.markup import Element, element
from tinygan.report.pictures import numbered, picture
from tinygan.report.tables import data_table

ITERATIONS = 6
ROWS, COLUMNS = 3, 4  # images of a grid, from its top left corner
WIDEST = 280  # pixels of a strip


def strips(runs: list[RunSummary], styles: list[str]) -> list[Element]:
    """The table under a heading; nothing where fewer than two iterations have grids."""
    grids = [dict(numbered(run.folder.samples)) for run in runs]
    chosen = spread_out(sorted(set().union(*grids)))
    if len(chosen) < 2:
        return []
    rows = []
    for run, style, own in zip(runs, styles, grids, strict=True):
        losses = {test.iteration: test.loss for test in run.tests}
        height, width = run.options.get("image_size", (32, 32))
        box = 0, 0, COLUMNS * (width + GAP) + GAP, ROWS * (height + GAP) + GAP
        cells = []
        for iteration in chosen:
            loss = f"{losses[iteration]:.6f}" if iteration in losses else None
            alt = f"{ROWS * COLUMNS} samples of {run.name} after {iteration:,} iterations"
            image = picture(own[iteration], alt, box, WIDEST) if iteration in own else "–"
            cells.append(element("td", image, element("small", loss)))
        rows.append(element("tr", element("th", swatch(style), element("span", run.name), scope="row"), cells))
    about = (
        "The same codes in every picture of a row, and in rows of one seed and code size; below, the running loss of "
        "that iteration. Iterations are spaced by factors, as progress is."
    )
    head = ("run", *(f"{iteration:,}" for iteration in chosen))
    table = data_table(about, head, rows, "Samples of the same codes over iterations", class_="strips")
    return [element("h3", "The same codes side by side", class_="group"), table]


def spread_out(iterations: list[int]) -> list[int]:
    """At most six of the iterations above 0, in steps of about the same factor, the first and the last among them."""
    iterations = [iteration for iteration in iterations if iteration > 0]
    if len(iterations) <= ITERATIONS:
        return iterations
    wanted = np.geomspace(iterations[0], iterations[-1], ITERATIONS)
    return sorted({min(iterations, key=lambda one: abs(np.log(one / place))) for place in wanted})
