"""Seeds of a model in the page: one colour, each seed thin and their mean bold, and the result in a sentence."""

from dataclasses import replace

import numpy as np

from tinygan.evaluation.comparison import INCOMPARABLE, show_difference
from tinygan.evaluation.runsummary import RunSummary
from tinygan.evaluation.seeds import models
from tinygan.report.curves import Series, run_style, thin


def styles(runs: list[RunSummary]) -> list[str]:
    """The style of each run: that of its model, the same everywhere in the page."""
    of_path = {run.folder.path: run_style(index) for index, model in enumerate(models(runs)) for run in model.runs}
    return [of_path[run.folder.path] for run in runs]


def running_curves(runs: list[RunSummary]) -> list[Series]:
    """The running loss of each run; before them the mean of each model's seeds, over the tests that all have."""
    means, curves = [], []
    for index, model in enumerate(models(runs)):
        tests = [(run.name, np.array([(test.iteration, test.loss) for test in run.tests]).T) for run in model.runs]
        ones = [thin(name, run_style(index), *columns) for name, columns in tests]
        if len(ones) > 1:
            losses = [dict(zip(one.x, one.y, strict=True)) for one in ones]
            x = np.array(sorted(set.intersection(*map(set, losses))))
            if len(x):
                y = np.array([np.mean([loss[iteration] for loss in losses]) for iteration in x])
                means.append(thin(f"{model.name}, mean of {len(ones)} seeds", run_style(index) + " mean", x, y))
            ones = [replace(one, style=one.style + " seed") for one in ones]
        curves += ones
    return [*means, *curves]


def summary(comparison: dict) -> str:
    """The result in a sentence or two."""
    runs = comparison["runs"]
    which = "final" if all(run["final"] for run in runs) else "running"
    best = min(runs, key=lambda run: run[which]["loss"])
    found = best[which]
    text = f"{best['name']} has a {which} reconstruction loss of {found['loss']:.6f} ({found['psnr']:.2f} dB)"
    if len(runs) == 1:
        return text + "."
    if any(INCOMPARABLE in note for note in comparison["notes"]):
        return f"{len(runs)} runs, but {INCOMPARABLE}: see the notes."
    if comparison["models"]:
        return _over_seeds(comparison["models"])
    differences = [
        f"{run['name']} {show_difference(run)}" + (" (final loss)" if run["difference"]["of"] != which else "")
        for run in runs
        if run["difference"]
    ]
    text += f", the lowest of {len(runs)} runs."
    return text + (f" Against {comparison['reference']}: {'; '.join(differences)}." if differences else "")


def _over_seeds(rows: list[dict]) -> str:
    """The model with the lowest mean loss, and every difference per image."""
    which = "final" if rows[0]["of"] else "running"
    best = min(rows, key=lambda row: row[which]["mean"])
    at = {"last": "at", "best": "of the best checkpoints up to"}.get(rows[0]["of"], "up to")
    text = (
        f"Over seeds, {at} iteration {best['iteration']:,}, {best['model']} has the lowest mean {which} reconstruction "
        f"loss of {len(rows)} models, {best[which]['mean']:.6f}."
    )
    differences = [
        f"{row['model']} {row['difference']['mean']:+.6f} ± {row['difference']['standard_error']:.6f}".replace("-", "−")
        for row in rows
        if row["difference"] and row["difference"]["standard_error"] is not None
    ]
    return text + (f" Per image against {rows[0]['against']}: {'; '.join(differences)}." if differences else "")
