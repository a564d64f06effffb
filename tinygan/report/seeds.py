"""Several seeds of a model in the page: one colour, each seed thin and their mean bold, one row of means and ranges."""

from dataclasses import replace

import numpy as np

from tinygan.evaluation.runsummary import RunSummary
from tinygan.evaluation.seeds import SEEDS_HEAD, models, show_model
from tinygan.report.curves import run_style, swatch
from tinygan.report.markup import Element, element
from tinygan.report.series import Series, thin
from tinygan.report.tables import data_table


def styles(runs: list[RunSummary]) -> list[str]:
    """The style of each run: that of its model, the same everywhere in the page."""
    of_path = {run.folder.path: run_style(index) for index, model in enumerate(models(runs)) for run in model.runs}
    return [of_path[run.folder.path] for run in runs]


def running_curves(runs: list[RunSummary]) -> list[Series]:
    """The running loss of each run; before them the mean of each model's seeds, over the tests that all have."""
    means, curves = [], []
    for index, model in enumerate(models(runs)):
        ones = [_running_loss(run, run_style(index)) for run in model.runs]
        if len(ones) > 1:
            losses = [dict(zip(one.x, one.y, strict=True)) for one in ones]
            x = np.array(sorted(set.intersection(*map(set, losses))))
            if len(x):
                y = np.array([np.mean([loss[iteration] for loss in losses]) for iteration in x])
                means.append(thin(f"{model.name}, mean of {len(ones)} seeds", run_style(index) + " mean", x, y))
            ones = [replace(one, style=one.style + " seed") for one in ones]
        curves += ones
    return [*means, *curves]


def seeds_table(runs: list[RunSummary], rows: list[dict]) -> list[Element]:
    """The rows of :func:`tinygan.evaluation.seeds.over_seeds` under a heading; nothing where there are none."""
    if not rows:
        return []
    body = []
    for index, row in enumerate(rows):
        name, *cells, _ = show_model(row)  # the iteration stands in the caption
        head = element("th", swatch(run_style(index)), element("span", name), scope="row")
        body.append(element("tr", head, [_cell(cell) for cell in cells]))
    about = (
        f"Means over seeds with their range, all at iteration {rows[0]['iteration']:,}, the last that every run has "
        f"come to. The difference is the final loss of each test image minus that of {rows[0]['against']} with the "
        "same seed; ± is its standard error over images. Collapses: runs whose last running loss is above twice their "
        "lowest, or whose losses do not change any more."
    )
    table = data_table(about, SEEDS_HEAD[:-1], body, "Models over seeds", class_="seeds")
    return [element("h3", "Over seeds", class_="group"), table]


def seeds_summary(rows: list[dict]) -> str:
    """The rows in a sentence: the model with the lowest mean loss, and every difference per image."""
    which = "final" if rows[0]["of"] else "running"
    best = min(rows, key=lambda row: row[which]["mean"])
    text = (
        f"Over seeds, at iteration {best['iteration']:,}, {best['model']} has the lowest mean {which} reconstruction "
        f"loss of {len(rows)} models, {best[which]['mean']:.6f}."
    )
    differences = [
        f"{row['model']} {row['difference']['mean']:+.6f} ± {row['difference']['standard_error']:.6f}".replace("-", "−")
        for row in rows
        if row["difference"] and row["difference"]["standard_error"] is not None
    ]
    return text + (f" Per image against {rows[0]['against']}: {'; '.join(differences)}." if differences else "")


def _cell(text: str) -> Element:
    """A mean, and smaller the range behind it."""
    mean, bracket, rest = text.partition(" (")
    return element("td", mean, element("small", bracket, rest) if rest else None)


def _running_loss(run: RunSummary, style: str) -> Series:
    iterations = np.array([test.iteration for test in run.tests], float)
    return thin(run.name, style, iterations, np.array([test.loss for test in run.tests]))
