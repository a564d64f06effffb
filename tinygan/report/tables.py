"""The tables of the page: the comparison, its models over seeds, checkpoints, the paper's own, and all settings."""

from tinygan.data.transform import shown
from tinygan.evaluation.comparison import PAPER, PAPER_CAPTION, show_difference, show_loss
from tinygan.evaluation.runsummary import RunSummary
from tinygan.evaluation.seeds import SEEDS_HEAD, finals, show_model
from tinygan.evaluation.statistics import mean_error
from tinygan.jsonfile import read_json
from tinygan.report.curves import run_style
from tinygan.report.markup import Content, Element, element, row, swatch, table

AGREEMENT = "agreement.json"  # what experiments/agreement.py writes into a run's evaluation folder
CORRELATIONS = {"sliced_wasserstein": float | None, "ms_ssim": float | None}
FOUND = {"rank_correlation": CORRELATIONS, "iterations": list, "measured_on": object}  # see jsonfile.py


def comparison_table(runs: list[RunSummary], styles: list[str], comparison: dict) -> Element:
    """One row per run, the losses first, since a small screen shows few columns; a column's lowest loss is marked."""
    losses, rest = ("run", "running loss", "final loss", "difference"), ("PSNR", "‖z‖²/Z", "norm")
    head = (*losses, "best", "last running loss", "iterations", *rest)
    tests, entries = ("running", "final"), comparison["runs"]
    lowest = {test: min((one[test]["loss"] for one in entries if one[test]), default=None) for test in tests}
    rows = []
    for run, style, entry in zip(runs, styles, entries, strict=True):
        cells = [_loss_cell(entry[test], lowest[test]) for test in tests]
        cells += [show_difference(entry), f"{entry['best_iteration']:,}", f"{entry['last']['loss']:.6f}"]
        cells.append(f"{max(run.tests[-1].iteration, *map(int, run.losses['iteration'][-1:]), 0):,}")
        final = entry["final"]
        cells += [f"{final['psnr']:.2f} dB", f"{final['z2']:.2f}"] if final else ["–", "–"]
        rows.append(row(run_head(run.name, style), [*cells, element("td", run.norm, class_="text")]))
    caption = (
        "Lower loss is better; ● marks the lowest. Best: the iteration of the lowest running loss. PSNR and ‖z‖²/Z are "
        "those of the final test; ‖z‖²/Z is 1 for codes as the generator was trained on."
    )
    caption += f" Differences are relative to {comparison['reference']}." if len(runs) > 1 else ""
    return data_table(caption, head, rows, "Comparison of the runs")


def paper_table() -> Element:
    """Table 2 of the paper."""
    columns = ("model", "best iteration", "running loss", "final loss")
    losses = ("running_loss", "final_loss")
    rows = [
        row(one["model"], [f"{one['best_iteration']:,}", *(f"{one[loss]:.6f}" for loss in losses)]) for one in PAPER
    ]
    return data_table(PAPER_CAPTION.rstrip(":") + ".", columns, rows, "The paper's figures")


def seeds_table(rows: list[dict]) -> list[Element]:
    """The rows of :func:`tinygan.evaluation.seeds.over_seeds` under a heading; nothing where there are none."""
    if not rows:
        return []
    body = []
    for index, one in enumerate(rows):
        name, *cells, _ = show_model(one)  # the iteration stands in the caption
        body.append(row(run_head(name, run_style(index)), map(_small_range, cells)))
    about = (
        f"Means over seeds with their range, all at iteration {rows[0]['iteration']:,}, the last that every run has "
        f"come to. The difference is the final loss of each test image minus that of {rows[0]['against']} with the "
        "same seed; ± is its standard error over images. Collapses: runs whose last running loss is above twice their "
        "lowest, or whose losses do not change any more."
    )
    return _group("Over seeds", data_table(about, SEEDS_HEAD[:-1], body, "Models over seeds", class_="seeds"))


def finals_table(runs: list[RunSummary], styles: list[str]) -> list[Element]:
    """Every checkpoint's final test, under a heading; nothing where only best checkpoints have one."""
    found = [finals(run) for run in runs]
    if not set().union(*found) - {"best"}:
        return []
    rows = []
    for run, style, results in zip(runs, styles, found, strict=True):
        for name, one in results.items():
            loss = show_loss({"loss": one.loss, "standard_error": mean_error(one.losses)})
            cells = [loss, f"{one.iteration:,}", name.lstrip("0"), f"{one.psnr:.2f} dB", f"{one.z2:.2f}"]
            rows.append(row(run_head(run.name, style), [*cells, f"{one.count:,}", f"{one.steps:,}"]))
    columns = ("run", "final loss", "iteration", "checkpoint", "PSNR", "‖z‖²/Z", "images", "steps")
    about = "The final test of each checkpoint that has been through it."
    return _group("By checkpoint", data_table(about, columns, rows, "Final tests by checkpoint"))


def agreement_table(runs: list[RunSummary], styles: list[str]) -> list[Element]:
    """Rank correlations of the running loss with other measures, as experiments.agreement found them.

    Raises TinyganError where a file of them is damaged.
    """
    rows = []
    for run, style in zip(runs, styles, strict=True):
        path = run.folder.evaluation / AGREEMENT
        if path.exists():
            found = read_json(path, dict[str, FOUND], "delete it, and run experiments.agreement again")
            for of in found.values():
                cells = [_show_correlation(of["rank_correlation"][name]) for name in CORRELATIONS]
                cells += [f"{len(of['iterations'])}", str(of["measured_on"])]
                rows.append(row(run_head(run.name, style), cells))
    if not rows:
        return []
    columns = ("run", "sliced Wasserstein", "MS-SSIM", "iterations", "measured on")
    about = (
        "Spearman's rank correlation of the running loss with each measure over the iterations of a run: 1 says that "
        "they order the iterations alike. Sliced Wasserstein is better when lower; MS-SSIM is higher for samples that "
        "are more alike."
    )
    table = data_table(about, columns, rows, "Rank correlations with the running loss")
    return _group("Does the running loss follow other measures?", table)


def settings(runs: list[RunSummary]) -> Element:
    """All options, data and the last session of each run, what differs first and marked, in a part that opens."""
    groups, differing = [], 0
    for title, values in (
        ("Options", [run.options for run in runs]),
        ("Data", [flat(run.data) for run in runs]),
        ("Last session", [flat((run.config.get("sessions") or [{}])[-1]) for run in runs]),
    ):
        rows = {True: [], False: []}  # whether they differ
        for name in dict.fromkeys(name for one in values for name in one):
            cells = [show(one.get(name)) for one in values]
            differs = len(set(cells)) > 1
            mark = element("span", "≠", class_="mark", role="img", aria_label="differs:") if differs else None
            rows[differs].append(row([mark, element("span", name)], cells, "differs" if differs else None))
        differing += len(rows[True]) if title == "Options" else 0
        if any(rows.values()):
            title_cell = element("th", title, scope="rowgroup", colspan=1 + len(runs))
            groups.append(element("tbody", element("tr", title_cell, class_="group"), rows[True], rows[False]))
    all_settings = table("Settings of the runs", ("setting", *(run.name for run in runs)), *groups, class_="settings")
    marked = element("p", "Settings that differ between the runs come first and are marked ≠.", class_="hint")
    count = f"{len(runs[0].options)} options" + (f", {differing} of them different" if len(runs) > 1 else "")
    summary = element("summary", f"Show all settings ({count})")
    return element("details", summary, marked if len(runs) > 1 else None, all_settings)


def flat(values: dict) -> dict:
    """Nested dicts as one, with dotted names."""
    result = {}
    for name, value in values.items():
        if isinstance(value, dict):
            result |= {f"{name}.{inner}": v for inner, v in flat(value).items()}
        else:
            result[name] = value
    return result


def show(value: object) -> str:
    """A setting as a reader expects it: sizes, which JSON holds as [height, width], as WIDTHxHEIGHT."""
    if isinstance(value, list) and len(value) == 2:
        return shown(value)
    return "–" if value in (None, "") else str(value)


def run_head(name: str, style: str) -> list[Element]:
    """What a row of a run, or of a model, begins with: its line's colour, and its name."""
    return [swatch(style), element("span", name)]


def data_table(
    caption: str, head: tuple[str, ...], rows: list[Element], name: str, class_: str | None = None
) -> Element:
    """A table that scrolls sideways on a small screen, and says so there, while its caption stays."""
    hint = element("p", "The table goes on to the right: scroll it sideways.", class_="scroll-hint")
    return element(
        "figure", hint, table(name, head, rows, class_=class_), element("figcaption", caption), class_="table"
    )


def _group(title: str, table: Element) -> list[Element]:
    return [element("h3", title, class_="group"), table]


def _loss_cell(figures: dict | None, lowest: float | None) -> Element:
    best = figures is not None and figures["loss"] == lowest
    mark = element("span", "● ", class_="mark", role="img", aria_label="lowest:") if best else None
    loss, plus_minus, error = show_loss(figures).partition(" ± ")
    small = element("small", plus_minus, error) if error else None
    return element("td", mark, loss, small, class_="best" if best else None)


def _small_range(text: str) -> Content:
    """A mean, and smaller the range behind it."""
    mean, bracket, rest = text.partition(" (")
    return [mean, element("small", bracket, rest) if rest else None]


def _show_correlation(correlation: float | None) -> str:
    return "–" if correlation is None else f"{correlation:+.2f}".replace("-", "−")
