"""What was measured at several checkpoints of a run: final tests, and other measures beside the running loss."""

from tinygan.evaluation.comparison import show_loss
from tinygan.evaluation.runsummary import RunSummary
from tinygan.evaluation.seeds import finals
from tinygan.evaluation.statistics import mean_error
from tinygan.jsonfile import read_json
from tinygan.report.curves import swatch
from tinygan.report.markup import Element, element
from tinygan.report.tables import data_table

AGREEMENT = "agreement.json"  # what experiments/agreement.py writes into a run's evaluation folder


def finals_table(runs: list[RunSummary], styles: list[str]) -> list[Element]:
    """Every checkpoint's final test, under a heading; nothing where only best checkpoints have one."""
    found = [finals(run) for run in runs]
    if not set().union(*found) - {"best"}:
        return []
    rows = []
    for run, style, results in zip(runs, styles, found, strict=True):
        for name, result in results.items():
            loss = show_loss({"loss": result.loss, "standard_error": mean_error(result.losses)})
            cells = [loss, f"{result.iteration:,}", name.lstrip("0"), f"{result.psnr:.2f} dB", f"{result.z2:.2f}"]
            cells += [f"{result.count:,}", f"{result.steps:,}"]
            head = element("th", swatch(style), element("span", run.name), scope="row")
            rows.append(element("tr", head, [element("td", cell) for cell in cells]))
    columns = ("run", "final loss", "iteration", "checkpoint", "PSNR", "‖z‖²/Z", "images", "steps")
    about = "The final test of each checkpoint that has been through it."
    table = data_table(about, columns, rows, "Final tests by checkpoint")
    return [element("h3", "By checkpoint", class_="group"), table]


# What experiments.agreement found, see jsonfile.py.
CORRELATIONS = {"sliced_wasserstein": float | None, "ms_ssim": float | None}
FOUND = {"rank_correlation": CORRELATIONS, "iterations": list, "measured_on": object}


def agreement_table(runs: list[RunSummary], styles: list[str]) -> list[Element]:
    """Rank correlations of the running loss with other measures, as experiments.agreement found them.

    Raises:
        TinyganError: a file of them is damaged.
    """
    rows = []
    for run, style in zip(runs, styles, strict=True):
        path = run.folder.evaluation / AGREEMENT
        if not path.exists():
            continue
        found = read_json(path, dict[str, FOUND], "delete it, and run experiments.agreement again")
        for of in found.values():
            cells = [_show(of["rank_correlation"][name]) for name in ("sliced_wasserstein", "ms_ssim")]
            cells += [f"{len(of['iterations'])}", str(of["measured_on"])]
            head = element("th", swatch(style), element("span", run.name), scope="row")
            rows.append(element("tr", head, [element("td", cell) for cell in cells]))
    if not rows:
        return []
    columns = ("run", "sliced Wasserstein", "MS-SSIM", "iterations", "measured on")
    about = (
        "Spearman's rank correlation of the running loss with each measure over the iterations of a run: 1 says that "
        "they order the iterations alike. Sliced Wasserstein is better when lower; MS-SSIM is higher for samples that "
        "are more alike."
    )
    table = data_table(about, columns, rows, "Rank correlations with the running loss")
    return [element("h3", "Does the running loss follow other measures?", class_="group"), table]


def _show(correlation: float | None) -> str:
    return "–" if correlation is None else f"{correlation:+.2f}".replace("-", "−")
