"""The comparison of runs as one HTML page that needs nothing else: no network, no other file.

markup.py builds elements, series.py prepares curves.py, seeds.py says which curves, tables.py and pictures.py are the
other parts; here they become a page, which follow.py writes again as runs go on. report.css and report.js go into it as
they are. Without the script everything is readable too: it adds the sliders and the values
under the pointer.
"""

from importlib import resources
from pathlib import Path

import numpy as np

from tinygan.evaluation.comparison import INCOMPARABLE, to_json
from tinygan.evaluation.runsummary import LOSSES, RunSummary
from tinygan.output import write_output
from tinygan.report.curves import plot
from tinygan.report.markup import Element, element, page
from tinygan.report.pictures import final_cards, reconstruction_cards, sample_cards, strips
from tinygan.report.seeds import running_curves, styles, summary
from tinygan.report.series import Axis, thin
from tinygan.report.tables import agreement_table, comparison_table, finals_table, paper_table, seeds_table, settings

TITLE, ALONE = "Runs compared by reconstruction", "A run and its reconstructions"
# Nothing is fetched from anywhere, whatever a file of a run may hold.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
LN2 = float(np.log(2))


def write_report(runs: list[RunSummary], path: Path) -> None:
    """Write the page to ``path``, as :func:`tinygan.output.write_output` does.

    Raises TinyganError where there is no run, a picture is damaged, or the file cannot be written.
    """
    comparison, colours, several = to_json(runs), styles(runs), len(runs) > 1
    title, result = (TITLE, "Comparison") if several else (ALONE, "Result")
    table = [comparison_table(runs, colours, comparison), *seeds_table(comparison["models"])]
    table += [*finals_table(runs, colours), *agreement_table(runs, colours)]
    table += [element("h3", "The paper's own figures", class_="group"), paper_table()]
    hint = element("p", _HINT, class_="hint scripted-only")
    parts = [
        ("table", result, [_notes(comparison), *table]),
        ("curves", "Curves", [hint, _reconstruction_plot(runs), *_loss_plots(runs)]),
        ("samples", "Samples over time", [*strips(runs, colours), *_samples(runs, colours)]),
        ("reconstructions", "Targets and reconstructions", _cards(reconstruction_cards(runs, colours))),
        ("final", "Final test", _cards(final_cards(runs, colours), _PAIRS)),
        ("settings", "Settings", [settings(runs)]),
    ]
    parts = [part for part in parts if part[2]]
    links = [element("li", element("a", heading, href=f"#{name}")) for name, heading, _ in parts]
    sections = [
        element("section", element("h2", heading, id=name), content, aria_labelledby=name)
        for name, heading, content in parts
    ]
    body = element(
        "body",
        element("a", f"Skip to the {result.lower()}", href="#main", class_="skip"),
        element(
            "header",
            element("p", "tinygan report", class_="kicker"),
            element("h1", title),
            element("p", summary(comparison), class_="summary"),
            element("nav", element("ul", links), aria_label="Parts of this page"),
        ),
        element("main", sections, id="main"),
        element("footer", element("p", _MEASURE)),
        element("script", _asset("report.js")),
    )
    write_output(path, page(element("html", _head(title), body, lang="en")))


def _head(title: str) -> Element:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title} – tinygan"),
        element("style", _asset("report.css")),
    )


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _notes(comparison: dict) -> Element | None:
    items = [element("li", note, class_="warning" if INCOMPARABLE in note else None) for note in comparison["notes"]]
    return element("ul", items, class_="notes", aria_label="Notes") if items else None


def _reconstruction_plot(runs: list[RunSummary]) -> Element:
    series = running_curves(runs)
    y = Axis.around(np.concatenate([one.y for one in series]))
    caption = "The running test's loss on the same held-out images; lower is better."
    x = Axis(0, max(1.0, *(one.x[-1] for one in series)))
    title = "Running reconstruction loss"
    return plot("curve-reconstruction", title, caption, series, x, y, "squared error per value", decimals=6)


def _loss_plots(runs: list[RunSummary]) -> list[Element]:
    """A plot of D's and G's losses for each run that has logged any, each on its own scale."""
    plots = []
    for index, run in enumerate(runs):
        iterations = run.losses["iteration"]
        if not len(iterations):
            continue
        series = [thin(name, f"loss-{name}", iterations, run.losses[name]) for name in LOSSES]
        x, y = Axis(0, max(1.0, iterations[-1])), Axis(0, max(1.0, 1.05 * max(one.y.max() for one in series)))
        block = series[0].block
        caption = f"Means of {block} log lines; shaded: their lowest to highest." if block > 1 else None
        title, line = f"Losses of {run.name}", (LN2, "ln 2")
        plots.append(plot(f"curve-{index}", title, caption, series, x, y, "nats", 4, line, heading="h4"))
    if not plots:
        return []
    about = "A tug-of-war, not a score; each plot has its own scale. At ln 2, D cannot tell real from generated."
    return [
        element("h3", "Losses of D and G", class_="group"),
        element("p", about, class_="hint"),
        element("div", plots, class_="plots"),
    ]


def _cards(cards: list[Element], about: str | None = None) -> list[Element]:
    """Cards side by side as the screen allows; nothing if there are none."""
    if not cards:
        return []
    return [*([element("p", about, class_="hint")] if about else []), element("div", cards, class_="cards")]


def _samples(runs: list[RunSummary], styles: list[str]) -> list[Element]:
    """The sample cards, with a switch that couples their sliders."""
    cards = _cards(sample_cards(runs, styles))
    box = element("input", type="checkbox", id="together", checked=True)
    switch = element("p", box, element("label", "Move all sliders together", for_="together"), class_="switch")
    return [switch, *cards] if cards and len(runs) > 1 else cards


_PAIRS = "Held-out images in pairs, the reconstruction to the right of its target."
_HINT = "Point at a plot, or focus it and use the arrow keys, to read its values."
_MEASURE = (
    "Loss: for each held-out image the mean squared error per value on [0, 1] between it and the nearest image that "
    "gradient descent on the code finds, from code 0 with the generator frozen; PSNR is −10·log₁₀ of it. Larger "
    "pictures are inlined as JPEG, very large ones also made smaller; the run folders hold the originals."
)
