"""Runs side by side: the paper's table (Table 2), from what the run folders hold.

A run's *running loss* is the lowest of its running tests (200 images, few steps), its *final loss* that of the
checkpoint of that test on the final test's images (2,000, many steps). Losses are squared errors per value on [0, 1].
"""

import shlex

from tinygan.errors import TinyganError
from tinygan.evaluation.runsummary import FinalResult, RunSummary
from tinygan.evaluation.seeds import SEEDS_HEAD, collapsed, over_seeds, seed_of, settings, show_model, tests_alike
from tinygan.evaluation.statistics import mean_error, standard_error

PAPER_CAPTION = "For orientation, the paper's own figures (Table 2; CelebA, so another data set and other losses):"
INCOMPARABLE = "their losses do not compare"
FINAL_STEPS = 2_000  # of the paper's final test

# Table 2 of the paper's early version (notes A1).
PAPER = [
    {"model": "vanilla", "best_iteration": 30_500, "running_loss": 0.014509, "final_loss": 0.006171},
    {"model": "BN", "best_iteration": 30_500, "running_loss": 0.017199, "final_loss": 0.006355},
    {"model": "WN", "best_iteration": 463_000, "running_loss": 0.013010, "final_loss": 0.005524},
]


def to_json(runs: list[RunSummary]) -> dict:
    """The comparison as JSON can hold it; the terminal's table and the page are made from it.

    A run's reference is the vanilla run of the same settings and seed, or the only vanilla one; without vanilla runs
    those with the first run's norm take their place. ``reference`` is its name, None where a run has no counterpart.
    ``difference.relative`` is loss / reference's loss − 1, of the final losses where both runs have one, else of the
    running ones; ``difference.of`` says which. Its ``standard_error`` pairs the two losses of each image (delta method
    for a ratio of means) and is None where they cannot be paired. ``models`` holds the rows of :func:`over_seeds`.
    Raises TinyganError if there is no run.
    """
    if not runs:
        raise TinyganError("no runs to compare: name at least one run folder")
    norm = "none" if any(run.norm == "none" for run in runs) else runs[0].norm
    plain = [run for run in runs if run.norm == norm]
    plain = plain[:1] if len(plain) == len(runs) else plain
    several = len(plain) > 1
    references = [
        next((one for one in plain if _setting(one) == _setting(run)), None) if several else plain[0] for run in runs
    ]
    entries = [_entry(run, reference) for run, reference in zip(runs, references, strict=True)]
    against = f"the {norm} run of the same settings and seed" if several else plain[0].name
    models = over_seeds(runs)
    return {"reference": against, "runs": entries, "models": models, "notes": _notes(runs, models), "paper": PAPER}


def table(runs: list[RunSummary]) -> str:
    """The paper's table of these runs as aligned plain text, notes, the paper's own figures; raises as to_json."""
    comparison = to_json(runs)
    rows = [("run", "norm", "best iteration", "running loss", "final loss", f"against {comparison['reference']}")]
    for run in comparison["runs"]:
        losses = [show_loss(run[test]) for test in ("running", "final")]
        rows.append((run["name"], run["norm"], f"{run['best_iteration']:,}", *losses, show_difference(run)))
    if len(runs) == 1:
        rows = [row[:-1] for row in rows]  # nothing to be against
    lines = _align(rows, texts=2)
    if comparison["models"]:
        lines += ["", *_align([SEEDS_HEAD, *map(show_model, comparison["models"])], texts=1)]
    paper = [("model", "best iteration", "running loss", "final loss")]
    paper += ["{model} {best_iteration:,} {running_loss:f} {final_loss:f}".format(**row).split() for row in PAPER]
    notes = [f"Note: {note}" for note in comparison["notes"]]
    return "\n".join([*lines, *notes, "", PAPER_CAPTION, *_align(paper, texts=1)])


def show_loss(figures: dict | None) -> str:
    """A loss with its standard error, where known."""
    if figures is None:
        return "–"
    error = figures["standard_error"]
    return f"{figures['loss']:.6f}" + (f" ± {error:.6f}" if error is not None else "")


def show_difference(run: dict) -> str:
    """A run's relative difference to the reference, in percent, and of which loss if not of the final one."""
    if run["difference"] is None:
        return "–" if run["reference"] is None else "reference"
    relative, error = run["difference"]["relative"], run["difference"]["standard_error"]
    text = f"{100 * relative:+.1f}" + (f" ± {100 * error:.1f}" if error is not None else "") + " %"
    return text.replace("-", "−") + (" (running loss)" if run["difference"]["of"] == "running" else "")


def _align(rows: list[tuple[str, ...]], texts: int) -> list[str]:
    """Lines of aligned columns, a rule below the first line; the first ``texts`` columns are aligned to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    places = [f"{{:{'<' if column < texts else '>'}{width}}}" for column, width in enumerate(widths)]
    rows = [rows[0], tuple("-" * width for width in widths), *rows[1:]]
    return ["  ".join(places).format(*row).rstrip() for row in rows]


def _entry(run: RunSummary, reference: RunSummary | None) -> dict:
    count = run.data.get("images", {}).get("running", 0)
    error = standard_error(run.best.std, count)
    final = run.final and {name: getattr(run.final, name) for name in FinalResult._fields[:-2]}
    if final:
        final["standard_error"] = mean_error(run.final.losses)
    return {
        "name": run.name,
        "norm": run.norm,
        "best_iteration": run.best.iteration,
        "running": {"loss": run.best.loss, "standard_error": error, "psnr": run.best.psnr, "z2": run.best.z2},
        "last": {"iteration": run.tests[-1].iteration, "loss": run.tests[-1].loss},
        "final": final,
        "reference": reference and reference.name,
        "difference": _difference(run, reference) if reference and reference is not run else None,
    }


def _difference(run: RunSummary, reference: RunSummary) -> dict:
    if not (run.final and reference.final):
        return {"of": "running", "relative": run.best.loss / reference.best.loss - 1, "standard_error": None}
    ours, theirs, ratio = run.final.losses, reference.final.losses, run.final.loss / reference.final.loss
    same_images = len(ours) == len(theirs) and settings(run)["data"] == settings(reference)["data"]
    error = mean_error((ours - ratio * theirs) / reference.final.loss) if same_images else None
    return {"of": "final", "relative": ratio - 1, "standard_error": error}


def _setting(run: RunSummary) -> tuple[dict, int]:
    """What two runs must have in common to differ in their norm alone."""
    return settings(run) | {"norm": None}, seed_of(run)


def _notes(runs: list[RunSummary], models: list[dict]) -> list[str]:
    """What a reader must know before comparing these losses."""
    finals = [run for run in runs if run.final]
    checks = {
        "data set": (runs, lambda run: run.options.get("dataset")),
        "fingerprint of the images": (runs, lambda run: run.data.get("fingerprint")),
        "image size": (runs, lambda run: run.options.get("image_size")),
        "code size": (runs, lambda run: run.options.get("code_size")),
        "steps of the final test": (finals, lambda run: run.final.steps),
        "images of the final test": (finals, lambda run: run.final.count),
        "settings of the final test": (finals, lambda run: " ".join(map(str, run.final.search.values()))),
    }
    notes = []
    for what, (some, value) in checks.items():
        if len({str(value(run)) for run in some}) > 1:
            each = "; ".join(f"{run.name}: {str(value(run))[:24]}" for run in some)
            notes.append(f"The runs differ in {what} ({each}): {INCOMPARABLE}.")
    shortest = min((run.final.steps for run in finals), default=FINAL_STEPS)
    if shortest < FINAL_STEPS:
        notes.append(f"Final losses after {shortest:,} steps: the paper's final test takes {FINAL_STEPS:,}.")
    fewest = min(finals, key=lambda run: run.final.count, default=None)
    if fewest and fewest.final.count < fewest.data.get("images", {}).get("final", 0):
        notes.append(
            f"Final losses of the first {fewest.final.count:,} of {fewest.data['images']['final']:,} images: "
            "with fewer, the standard error is larger."
        )
    if models and models[0]["of"] is None:
        at = models[0]["iteration"]
        notes.append(
            f"No final losses over seeds: not all runs have one at iteration {at:,} with the same settings: "
            f"evaluate.py reconstruct RUN --checkpoint last, where that is iteration {at:,}, or --checkpoint {at}"
        )
    elif models:
        of = "at the iteration named" if models[0]["of"] == "last" else "of the best checkpoints"
        notes.append(f"Over seeds: means with the range; final losses {of}, differences with ± over test images.")
    until, early = tests_alike(runs)
    if not models and all(early) and any(run.tests[-1].iteration > until for run in runs):
        lowest = [min(test.loss for test in tests) for tests in early]
        each = ", ".join(f"{run.name} {loss:.6f}" for run, loss in zip(runs, lowest, strict=True))
        notes.append(f"The runs have not gone equally far; lowest running losses up to iteration {until:,}: {each}.")
    for run in runs:
        notes += [f"{run.name}: {file} is damaged and left out; repeat that final test." for file in run.damaged]
        if collapsed(run):
            notes.append(f"{run.name} has collapsed: last running loss above twice its lowest, or losses constant.")
        if not run.final:
            command = f"evaluate.py reconstruct {shlex.quote(str(run.folder.path))}"
            differs = ", any difference is that of the running loss" if len(runs) > 1 else ""
            notes.append(f"{run.name} has no final loss yet{differs}: {command}")
        elif run.final.iteration != run.best.iteration:
            iterations = f"{run.final.iteration:,}, its lowest running loss of {run.best.iteration:,}"
            told = f"The final loss of {run.name} is of iteration {iterations}"
            notes.append(f"{told}: if best.safetensors is of that one, repeat the final test.")
    if len(runs) > 1:
        notes.append("± is the standard error over test images; trainings with other seeds may differ by more.")
    return notes
