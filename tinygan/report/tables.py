"""What the page's tables hold beyond the comparison: final tests by checkpoint, rank correlations, all settings."""

from tinygan.data.transform import shown
from tinygan.evaluation.runsummary import FinalResult, RunSummary
from tinygan.jsonfile import read_json
from tinygan.training.options import SIZES

AGREEMENT = "agreement.json"  # what experiments/agreement.py writes into a run's evaluation folder
CORRELATIONS = {"sliced_wasserstein": float | None, "ms_ssim": float | None}
FOUND = {"rank_correlation": CORRELATIONS, "iterations": list, "measured_on": object}  # see jsonfile.py


def final_tests(runs: list[RunSummary]) -> list[dict[str, FinalResult]]:
    """Every checkpoint's final test, by its name, for each run; nothing where only best checkpoints have one."""
    found = [run.finals for run in runs]
    return found if set().union(*found) - {"best"} else []


def agreements(runs: list[RunSummary]) -> list[tuple[int, dict]]:
    """(index of the run, what experiments.agreement found about it); TinyganError where a file of it is damaged."""
    rows = []
    for index, run in enumerate(runs):
        path = run.folder.evaluation / AGREEMENT
        if path.exists():
            found = read_json(path, dict[str, FOUND], "delete it, and run experiments.agreement again")
            rows += [(index, of) for of in found.values()]
    return rows


def settings(runs: list[RunSummary]) -> dict[str, list[tuple[str, list[str], bool]]]:
    """All options, data and the last session of each run: (name, value of each run, whether they differ), these first.

    Keys are titles; what no run has is left out.
    """
    groups = {
        "Options": [run.options for run in runs],
        "Data": [flat(run.data) for run in runs],
        "Last session": [flat((run.config.get("sessions") or [{}])[-1]) for run in runs],
    }
    found = {}
    for title, values in groups.items():
        rows = []
        for name in dict.fromkeys(name for one in values for name in one):
            cells = [show(name, one.get(name)) for one in values]
            rows.append((name, cells, len(set(cells)) > 1))
        if rows:
            found[title] = sorted(rows, key=lambda row: not row[2])
    return found


def flat(values: dict) -> dict:
    """Nested dicts as one, with dotted names."""
    result = {}
    for name, value in values.items():
        if isinstance(value, dict):
            result |= {f"{name}.{inner}": v for inner, v in flat(value).items()}
        else:
            result[name] = value
    return result


def show(name: str, value: object) -> str:
    """A setting as train.py takes it: sizes, which JSON holds as [height, width], as WIDTHxHEIGHT; 64,128 for lists."""
    if isinstance(value, list):
        return shown(value) if name in SIZES and len(value) == 2 else ",".join(map(str, value))
    return "–" if value in (None, "") else str(value)
