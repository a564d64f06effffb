"""The comparison of runs as one HTML page that needs nothing else: no network, no other file.

report.html is the page, of the elements in parts.html, with report.css and report.js in it. What it shows comes from
the comparison, and from curves.py (plots), seeds.py (which curves, and the result in a sentence), tables.py and
pictures.py. Without the script everything is readable too: it adds the sliders and the values under the
pointer. follow.py writes the page again as runs go on; film.py makes a film of a run.
"""

from pathlib import Path

import numpy as np

from tinygan.evaluation.comparison import INCOMPARABLE, PAPER_CAPTION, show_difference, show_loss, to_json
from tinygan.evaluation.runsummary import LOSSES, RunSummary
from tinygan.evaluation.seeds import SEEDS_HEAD, show_model
from tinygan.evaluation.statistics import mean_error
from tinygan.output import write_output
from tinygan.report import pictures, tables
from tinygan.report.curves import Axis, Plot, run_style, thin
from tinygan.report.seeds import running_curves, styles, summary
from tinygan.webpage import render

# Of each --loss, its unit and where D cannot tell real from generated.
BALANCE = {"bce": ("nats", (float(np.log(2)), "ln 2")), "least-squares": ("squared error", (0.25, "1/4"))}


def write_report(runs: list[RunSummary], path: Path) -> None:
    """Write the page about ``runs``; TinyganError for none, a damaged picture, or a path that is refused."""
    comparison, colours = to_json(runs), styles(runs)
    values = {
        "runs": runs,
        "styles": colours,
        "comparison": comparison,
        "summary": summary(comparison),
        "reconstruction_plot": _reconstruction_plot(runs),
        "loss_plots": _loss_plots(runs),
        "strips": pictures.strips(runs),
        "samples": pictures.sample_cards(runs, colours),
        "reconstructions": pictures.reconstruction_cards(runs, colours),
        "finals": pictures.final_cards(runs, colours),
        "final_tests": tables.final_tests(runs),
        "agreements": tables.agreements(runs),
        "settings": tables.settings(runs),
    }
    shown = {"show_loss": show_loss, "show_difference": show_difference, "show_model": show_model}
    shown |= {"run_style": run_style, "mean_error": mean_error}
    words = {"incomparable": INCOMPARABLE, "paper_caption": PAPER_CAPTION, "seeds_head": SEEDS_HEAD}
    write_output(path, render(__package__, "report.html", **values, **shown, **words))


def _reconstruction_plot(runs: list[RunSummary]) -> Plot:
    series = running_curves(runs)
    caption = "The running test's loss on the same held-out images; lower is better."
    x, y = Axis(0, max(1.0, *(one.x[-1] for one in series))), Axis.around(np.concatenate([one.y for one in series]))
    title, unit = "Running reconstruction loss", "squared error per value"
    return Plot("curve-reconstruction", title, series, x, y, unit, decimals=6, caption=caption)


def _loss_plots(runs: list[RunSummary]) -> list[Plot]:
    """A plot of D's and G's losses for each run that has logged any, each on its own scale."""
    plots = []
    for index, run in enumerate(runs):
        iterations = run.losses["iteration"]
        if not len(iterations):
            continue
        series = [thin(name, f"loss-{name}", iterations, run.losses[name]) for name in LOSSES]
        values = np.concatenate([one.y for one in series])
        x, y = Axis(0, max(1.0, iterations[-1])), Axis(min(0.0, 1.05 * values.min()), max(1.0, 1.05 * values.max()))
        block = series[0].block
        caption = f"Means of {block} log lines; shaded: their lowest to highest." if block > 1 else None
        unit, line = BALANCE.get(str(run.options.get("loss")), BALANCE["bce"])
        plots.append(Plot(f"curve-{index}", f"Losses of {run.name}", series, x, y, unit, 4, caption, line, "h4"))
    return plots
