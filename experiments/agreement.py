"""Does the running loss follow other measures? Rank correlations over the iterations of a run.

    python -m experiments.agreement RUN …

Each stored grid of samples is measured against the run's grid of real images, and what ``evaluate.py measures`` wrote
of kept checkpoints is read; both with the running loss of the same iteration. The result goes into
``evaluation/agreement.json``, which the report shows. What it holds already is kept, and not measured again.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np

from tinygan.cli.parser import OneLineParser
from tinygan.errors import TinyganError, run_script
from tinygan.evaluation.measures.ms_ssim import mean_ms_ssim
from tinygan.evaluation.measures.sliced_wasserstein import sliced_wasserstein_distance
from tinygan.evaluation.runsummary import RunSummary, read_run
from tinygan.files import write_atomically
from tinygan.images import GAP
from tinygan.jsonfile import read_json
from tinygan.report.pictures import numbered, read_picture
from tinygan.report.tables import AGREEMENT
from tinygan.text import say

MEASURES = ("sliced_wasserstein", "ms_ssim")
FEWEST = 3  # iterations that a rank correlation is shown for
# What the files that are read must be, see tinygan/jsonfile.py.
KNOWN = {key: {"iterations": list[int], **dict.fromkeys(MEASURES, list[float])} for key in ("grids?", "checkpoints?")}
MEASURED = {"iteration": int, "count": int, "fake": {measure: {"mean": float} for measure in MEASURES}}
REMEDY = "delete it, it will be measured again"


def build_parser() -> OneLineParser:
    """The runs."""
    example = "python -m experiments.agreement runs/three-models/*"
    parser = OneLineParser(prog="experiments.agreement", description=__doc__.splitlines()[0], examples=(example,))
    parser.add_run(several=True)
    return parser


def main(arguments: list[str]) -> None:
    """Measure, and print the correlations."""
    for run in build_parser().parse_args(arguments).run:
        found = agreement(read_run(run))
        for what, of in found.items():
            correlations = ", ".join(f"{name} {show(of['rank_correlation'][name])}" for name in MEASURES)
            say(f"{run}: {what}, {len(of['iterations'])} iterations: {correlations}")


def agreement(run: RunSummary) -> dict:
    """The measures beside the running loss, by what was measured, also written into the run's evaluation folder."""
    file = run.folder.evaluation / AGREEMENT
    losses, known = {test.iteration: test.loss for test in run.tests}, _known(file)
    sources = {
        "grids": ("the stored grids of 100 samples", _grids(run, losses, known.get("grids", {}))),
        "checkpoints": ("evaluate.py measures", _checkpoints(run.folder.evaluation, known.get("checkpoints", {}))),
    }
    found = {}
    for name, (measured_on, rows) in sources.items():
        iterations = sorted(rows.keys() & losses.keys())
        if len(iterations) < FEWEST:
            continue
        columns = {measure: [rows[iteration][measure] for iteration in iterations] for measure in MEASURES}
        running = [losses[iteration] for iteration in iterations]
        found[name] = {
            "measured_on": measured_on,
            "iterations": iterations,
            "running_loss": running,
            **columns,
            "rank_correlation": {
                measure: rank_correlation(np.array(running), np.array(values)) for measure, values in columns.items()
            },
        }
    if found:
        file.parent.mkdir(exist_ok=True)
        write_atomically(file, json.dumps(found, indent=2).encode())
    return found


def rank_correlation(x: np.ndarray, y: np.ndarray) -> float | None:
    """Spearman's ρ: the correlation of the ranks of two series (N,), in [−1, 1]; equal values share their mean rank.

    None where it is not defined: fewer than 2 values, or all values of a series equal.
    """
    x, y = (_ranks(values) - (len(values) - 1) / 2 for values in (x, y))
    scale = math.sqrt((x @ x) * (y @ y))
    return float(x @ y) / scale if scale else None


def _ranks(values: np.ndarray) -> np.ndarray:
    """0 for the lowest; of equal values, the mean of their places in the order."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts + 1) / 2)[group]


def images_of(path: Path, height: int, width: int) -> np.ndarray:
    """The images of a grid, uint8 (N, height, width, 3), row by row; TinyganError if it is none of this size."""
    pixels = np.asarray(read_picture(path)[0].convert("RGB"))
    rows, columns = (pixels.shape[0] - GAP) // (height + GAP), (pixels.shape[1] - GAP) // (width + GAP)
    if pixels.shape[:2] != (rows * (height + GAP) + GAP, columns * (width + GAP) + GAP):
        raise TinyganError(f"{path} is no grid of {width}x{height} images: leave it out, or restore it")
    cells = pixels[GAP:, GAP:].reshape(rows, height + GAP, columns, width + GAP, 3)[:, :height, :, :width]
    return cells.swapaxes(1, 2).reshape(-1, height, width, 3)


def _grids(run: RunSummary, losses: dict[int, float], known: dict[int, dict]) -> dict[int, dict]:
    """The measures of the grids at tested iterations, by iteration."""
    size = run.options["image_size"]
    count = run.data.get("images", {}).get("train")  # in a small set's grid of real images the last cells are empty
    real, rows = None, dict(known)
    for iteration, path in numbered(run.folder.samples):
        if iteration in losses and iteration not in rows:
            real = images_of(run.folder.samples / "reals.png", *size)[:count] if real is None else real
            fake = images_of(path, *size)[:count]
            swd, ssim = sliced_wasserstein_distance(real, fake)["mean"], mean_ms_ssim(fake)["mean"]
            rows[iteration] = {"sliced_wasserstein": swd, "ms_ssim": ssim}
    return rows


def _checkpoints(folder: Path, known: dict[int, dict]) -> dict[int, dict]:
    """What ``evaluate.py measures`` wrote, by iteration: of the largest count of images, since distances depend on it.

    The newest where there are several; what is ``known`` stays where no file is.
    """
    files = sorted(folder.glob("measures-*.json"), key=lambda file: file.stat().st_mtime)
    found = [read_json(path, MEASURED, "delete it, and let evaluate.py measures write it anew") for path in files]
    largest, there = max((one["count"] for one in found), default=0), {one["iteration"] for one in found}
    rows = {iteration: row for iteration, row in known.items() if iteration not in there}
    for one in found:
        if one["count"] == largest:
            rows[one["iteration"]] = {name: one["fake"][name]["mean"] for name in MEASURES}
    return rows


def _known(file: Path) -> dict[str, dict[int, dict]]:
    """What a stored result says, by what was measured and by iteration; what it lacks is measured again."""
    known = {}
    for name, stored in (read_json(file, KNOWN, REMEDY) if file.exists() else {}).items():
        rows = zip(stored["iterations"], *(stored[measure] for measure in MEASURES), strict=False)
        known[name] = {iteration: dict(zip(MEASURES, values, strict=True)) for iteration, *values in rows}
    return known


def show(correlation: float | None) -> str:
    """A correlation that may not be defined."""
    return "–" if correlation is None else f"{correlation:+.3f}"


if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
