"""The tables of the page: the comparison, the paper's own, and what the runs were told."""

from tinygan.evaluation.comparison import PAPER, PAPER_CAPTION, show_difference, show_loss
from tinygan.evaluation.runsummary import RunSummary
from tinygan.report.curves import swatch
from tinygan.report.markup import Element, element


def comparison_table(runs: list[RunSummary], styles: list[str], comparison: dict) -> Element:
    """One row per run, the losses first, since a small screen shows few columns; a column's lowest loss is marked."""
    head = (
        *("run", "running loss", "final loss", "difference", "best", "last running loss", "iterations"),
        *("PSNR", "‖z‖²/Z", "norm"),
    )
    lowest = {
        test: min((entry[test]["loss"] for entry in comparison["runs"] if entry[test]), default=None)
        for test in ("running", "final")
    }
    rows = []
    for run, style, entry in zip(runs, styles, comparison["runs"], strict=True):
        final = entry["final"] or {}
        cells = [
            *(_loss_cell(entry[test], lowest[test]) for test in ("running", "final")),
            element("td", show_difference(entry)),
            element("td", f"{entry['best_iteration']:,}"),
            element("td", f"{entry['last']['loss']:.6f}"),
            element("td", f"{last_iteration(run):,}"),
            element("td", f"{final['psnr']:.2f} dB" if final else "–"),
            element("td", f"{final['z2']:.2f}" if final else "–"),
            element("td", run.norm, class_="text"),
        ]
        name = element("th", swatch(style), element("span", run.name), scope="row")
        rows.append(element("tr", name, cells))
    caption = (
        "Lower loss is better; ● marks the lowest. Best: the iteration of the lowest running loss. PSNR and ‖z‖²/Z are "
        "those of the final test; ‖z‖²/Z is 1 for codes as the generator was trained on."
        + (f" Differences are relative to {comparison['reference']}." if len(runs) > 1 else "")
    )
    return data_table(caption, head, rows, "Comparison of the runs")


def paper_table() -> Element:
    """Table 2 of the paper."""
    rows = [
        element(
            "tr",
            element("th", row["model"], scope="row"),
            element("td", f"{row['best_iteration']:,}"),
            element("td", f"{row['running_loss']:.6f}"),
            element("td", f"{row['final_loss']:.6f}"),
        )
        for row in PAPER
    ]
    return data_table(
        PAPER_CAPTION.rstrip(":") + ".",
        ("model", "best iteration", "running loss", "final loss"),
        rows,
        "The paper's figures",
    )


def settings(runs: list[RunSummary]) -> Element:
    """All options, data and the last session of each run, what differs first and marked, in a part that opens."""
    groups = []
    differing = 0
    for title, values in (
        ("Options", [run.options for run in runs]),
        ("Data", [flat(run.data) for run in runs]),
        ("Last session", [flat((run.config.get("sessions") or [{}])[-1]) for run in runs]),
    ):
        rows = []
        for name in dict.fromkeys(name for one in values for name in one):
            cells = [show(one.get(name)) for one in values]
            differs = len(set(cells)) > 1
            differing += differs and title == "Options"
            mark = element("span", "≠", class_="mark", role="img", aria_label="differs:") if differs else None
            head = element("th", mark, element("span", name), scope="row")
            row = element("tr", head, [element("td", cell) for cell in cells], class_="differs" if differs else None)
            rows.append((not differs, row))
        rows = [row for _, row in sorted(rows, key=lambda entry: entry[0])]  # stable: the file's order within each part
        if rows:
            title_cell = element("th", title, scope="rowgroup", colspan=1 + len(runs))
            groups.append(element("tbody", element("tr", title_cell, class_="group"), rows))
    head = element("tr", [element("th", text, scope="col") for text in ("setting", *(run.name for run in runs))])
    table = element("table", element("thead", head), groups, class_="settings", aria_label="Settings")
    scroll = element("div", table, class_="scroll", tabindex="0", role="region", aria_label="Settings of the runs")
    marked = element("p", "Settings that differ between the runs come first and are marked ≠.", class_="hint")
    count = f"{len(runs[0].options)} options" + (f", {differing} of them different" if len(runs) > 1 else "")
    return element(
        "details", element("summary", f"Show all settings ({count})"), marked if len(runs) > 1 else None, scroll
    )


def last_iteration(run: RunSummary) -> int:
    """The last iteration in the log."""
    return max(run.tests[-1].iteration, *map(int, run.losses["iteration"][-1:]), 0)


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
        return f"{value[1]}x{value[0]}"
    return "–" if value in (None, "") else str(value)


def _loss_cell(figures: dict | None, lowest: float | None) -> Element:
    best = figures is not None and figures["loss"] == lowest
    mark = element("span", "● ", class_="mark", role="img", aria_label="lowest:") if best else None
    loss, plus_minus, error = show_loss(figures).partition(" ± ")
    small = element("small", plus_minus, error) if error else None
    return element("td", mark, loss, small, class_="best" if best else None)


def data_table(
    caption: str, head: tuple[str, ...], rows: list[Element], name: str, class_: str | None = None
) -> Element:
    """A table that scrolls sideways on a small screen, and says so there, while its caption stays."""
    header = element("tr", [element("th", text, scope="col") for text in head])
    table = element("table", element("thead", header), element("tbody", rows), aria_label=name, class_=class_)
    scroll = element("div", table, class_="scroll", tabindex="0", role="region", aria_label=name)
    hint = element("p", "The table goes on to the right: scroll it sideways.", class_="scroll-hint")
    return element("figure", hint, scroll, element("figcaption", caption), class_="table")
