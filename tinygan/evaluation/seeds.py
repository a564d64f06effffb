"""Runs that differ in their seed alone are one model: its means and ranges over seeds, its collapses.

All models are compared at one iteration, the last that every run has come to; a difference between two models pairs
their losses of the same test images, seed by seed.
"""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygan.evaluation.runsummary import FinalResult, RunningTest, RunSummary
from tinygan.evaluation.statistics import mean_error
from tinygan.training.options import CHANGEABLE_ON_RESUME, Options, flag

# Options in which runs of one model may differ.
OF_A_RUN = {"seed", "name", *CHANGEABLE_ON_RESUME} - {"learning_rate", "warmup"}
COLLAPSED = 2.0  # times the lowest running loss
SEEDS_HEAD = (
    *("model", "final loss", "lowest running loss", "last running loss", "difference per image", "‖z‖²/Z"),
    *("collapses", "best iterations", "seeds", "at iteration"),
)
CONSTANT, SPAN = 1e-4, 1000  # nats by which losses vary over so many iterations when a training is dead


class Model(NamedTuple):
    """Runs whose options differ in the seed alone, by seed; ``name``: norm, and options in which models differ."""

    name: str
    runs: list[RunSummary]


def seed_of(run: RunSummary) -> int:
    """The run's seed."""
    return run.options.get("seed", 0)


def settings(run: RunSummary) -> dict:
    """What makes the model: data and options, without those of one run of it."""
    options = json.loads(json.dumps(asdict(Options()))) | run.options  # older versions did not write all of them
    made = {name: value for name, value in options.items() if name not in OF_A_RUN}
    return {"data": (run.data.get("fingerprint"), run.options.get("image_size")), **made}


def models(runs: list[RunSummary]) -> list[Model]:
    """The runs by model, in the order of their first runs; a second run of a seed begins a model of its own."""
    groups: dict[tuple[str, int], list[RunSummary]] = {}
    seen: Counter[tuple[str, int]] = Counter()
    for run in runs:
        setting = json.dumps(settings(run), sort_keys=True)
        groups.setdefault((setting, seen[setting, seed_of(run)]), []).append(run)
        seen[setting, seed_of(run)] += 1
    firsts = [settings(group[0]) for group in groups.values()]
    names = dict.fromkeys(name for first in firsts for name in first if name not in ("norm", "data"))
    differing = [name for name in names if len({str(first.get(name)) for first in firsts}) > 1]
    found = []
    for ((_, again), group), first in zip(groups.items(), firsts, strict=True):
        name = ", ".join([group[0].norm, *(f"{flag(name)[2:]} {first.get(name)}" for name in differing)])
        found.append(Model(f"{name} ({group[0].name})" if again else name, sorted(group, key=seed_of)))
    return found


def collapsed(run: RunSummary) -> bool:
    """Whether the last running loss is above twice the lowest, or the losses of both networks no longer change.

    They do not if each varies by less than 1e-4 nats over the last 1,000 iterations, of at least two log lines.
    """
    if run.tests[-1].loss > COLLAPSED * run.best.loss:
        return True
    iterations = run.losses["iteration"]
    if len(iterations) < 2 or iterations[-1] - iterations[0] < SPAN:
        return False
    late = iterations >= min(iterations[-1] - SPAN, iterations[-2])
    return all(np.ptp(values[late]) < CONSTANT for name, values in run.losses.items() if name != "iteration")


def tests_alike(runs: list[RunSummary]) -> tuple[int, list[list[RunningTest]]]:
    """The last iteration that all runs were tested at, and each run's tests up to it; 0 and none without one."""
    until = max(set.intersection(*({test.iteration for test in run.tests} for run in runs)), default=0)
    return until, [[test for test in run.tests if until and test.iteration <= until] for run in runs]


def over_seeds(runs: list[RunSummary]) -> list[dict]:
    """A row for each model, as JSON can hold it; none where no model has several runs, or runs share no tests.

    ``iteration`` is the last that all runs have been tested at, and everything but ``collapses`` is up to there:
    ``best_iterations`` of each seed; ``running`` and ``last``, the lowest and the last running loss; ``final``, the
    loss of the final test ``of`` that iteration ("last") or else of the best checkpoint ("best"), None where not all
    runs have one; ``z2`` of that test, else of the best running one. Each as ``mean``, ``low`` and ``high`` over seeds.
    ``difference``: the final loss minus that of the vanilla model (else the first) with the same seeds, as mean over
    images and seeds, its ``standard_error`` over images, and the range over seeds.
    """
    groups = models(runs)
    until, alike = tests_alike(runs)
    early = {run.folder.path: tests for run, tests in zip(runs, alike, strict=True)}
    if all(len(model.runs) == 1 for model in groups) or not all(early.values()):
        return []
    which, tested = _final_tests(runs, until)
    reference = next((model for model in groups if model.runs[0].norm == "none"), groups[0])
    rows = []
    for model in groups:
        tested_early = [early[run.folder.path] for run in model.runs]
        bests = [min(tests, key=lambda test: test.loss) for tests in tested_early]
        results = [tested[run.folder.path] for run in model.runs] if which else []
        rows.append(
            {
                "model": model.name,
                "seeds": [seed_of(run) for run in model.runs],
                "iteration": until,
                "best_iterations": [test.iteration for test in bests],
                "running": _spread([test.loss for test in bests]),
                "last": _spread([tests[-1].loss for tests in tested_early]),
                "of": which,
                "final": _spread([result.loss for result in results]) if which else None,
                "z2": _spread([test.z2 for test in results or bests]),
                "difference": _difference(model, reference, tested) if which and model is not reference else None,
                "against": reference.name,
                "collapses": sum(map(collapsed, model.runs)),
            }
        )
    return rows


def _final_tests(runs: list[RunSummary], until: int) -> tuple[str | None, dict[Path, FinalResult]]:
    """Comparable final tests of all runs at ``until``, else of all best checkpoints up to there, by the run's path."""
    last = {run.folder.path: result for run in runs for result in run.finals.values() if result.iteration == until}
    best = {run.folder.path: run.final for run in runs if run.final and run.final.iteration <= until}
    for which, chosen in (("last", last), ("best", best)):
        alike = {(result.count, result.steps, str(result.search)) for result in chosen.values()}
        if len(chosen) == len({run.folder.path for run in runs}) and len(alike) == 1:
            return which, chosen
    return None, {}


def _difference(model: Model, reference: Model, tested: dict[Path, FinalResult]) -> dict | None:
    if settings(model.runs[0])["data"] != settings(reference.runs[0])["data"]:
        return None
    ours, theirs = ({seed_of(run): tested[run.folder.path].losses for run in one.runs} for one in (model, reference))
    pairs = [ours[seed] - theirs[seed] for seed in ours if seed in theirs]
    if not pairs:
        return None
    return {**_spread([pair.mean() for pair in pairs]), "standard_error": mean_error(np.mean(pairs, axis=0))}


def _spread(values: list[float]) -> dict:
    return {"mean": float(np.mean(values)), "low": float(min(values)), "high": float(max(values))}


def show_model(row: dict) -> tuple[str, ...]:
    """A row of :func:`over_seeds` as text, a cell for each of SEEDS_HEAD: means with the range over seeds."""
    difference, error = row["difference"], row["difference"] and row["difference"]["standard_error"]
    return (
        row["model"],
        *(_show_spread(row[name], 6) for name in ("final", "running", "last")),
        _show_spread(difference, 6, "+", f" ± {error:.6f}" if error is not None else ""),
        _show_spread(row["z2"], 2),
        str(row["collapses"]),
        "; ".join(f"{iteration:,}" for iteration in row["best_iterations"]),
        ", ".join(map(str, row["seeds"])),
        f"{row['iteration']:,}",
    )


def _show_spread(figures: dict | None, decimals: int, sign: str = "", error: str = "") -> str:
    if figures is None:
        return "–"
    mean, low, high = (f"{figures[name]:{sign}.{decimals}f}".replace("-", "−") for name in ("mean", "low", "high"))
    return mean + error + ("" if low == high else f" ({low} to {high})")
