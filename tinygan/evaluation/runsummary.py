"""What a run folder says about a run: its options, its log, its running tests, its final test."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygan.errors import TinyganError
from tinygan.jsonfile import check, read_json
from tinygan.reconstruction import Search
from tinygan.text import printable
from tinygan.training.runfolder import RunFolder
from tinygan.training.step import Losses

LOSSES = Losses._fields
FLOAT32 = float(np.finfo(np.float32).max)  # no loss is beyond it
# What a result of the final test must be, see jsonfile.py.
FINAL = {"iteration": int, "steps": int, "count": int, "loss": float, "psnr": float, "z2": float, "losses": list[float]}


class RunningTest(NamedTuple):
    """One running test: ``loss`` with its standard deviation over images, ``psnr`` in dB, ``z2`` = mean ‖z‖²/Z."""

    iteration: int
    loss: float
    std: float
    psnr: float
    z2: float


class FinalResult(NamedTuple):
    """A checkpoint's result on the final test; ``losses`` holds one loss per image, (count,)."""

    iteration: int
    steps: int
    search: dict  # the other settings of the search for codes
    count: int
    loss: float
    psnr: float
    z2: float
    losses: np.ndarray
    path: Path


@dataclass(frozen=True)
class RunSummary:
    """What a run folder says; ``norm``, ``options`` and ``data`` are from ``config.json``, ``config`` is the whole."""

    folder: RunFolder
    name: str  # the folder's, unprintable characters escaped
    norm: str
    options: dict
    data: dict
    config: dict
    losses: dict[str, np.ndarray]  # the log's columns iteration, d_real, d_fake and g (nats), (lines,) each
    tests: list[RunningTest]  # in the log's order, at least one
    finals: dict[str, FinalResult]  # the newest final test of each checkpoint that has one, in order of iterations
    damaged: tuple[str, ...] = ()  # files of the best one's final tests that were left out since they cannot be read

    @property
    def final(self) -> FinalResult | None:
        """The final test of the best checkpoint, or of another of its iteration; None if it has not been through it."""
        same = (result for result in self.finals.values() if result.iteration == self.best.iteration)
        return self.finals.get("best") or next(same, None)

    @property
    def best(self) -> RunningTest:
        """The running test with the lowest loss, the first of equals, as the training loop keeps it."""
        return min(self.tests, key=lambda test: test.loss)


class NoTestsError(TinyganError):
    """A run has no running test in its log, yet or at all."""


def read_run(path: Path) -> RunSummary:
    """A run folder, whether the run has ended or not; TinyganError if it is damaged, NoTestsError without a test."""
    folder = RunFolder.existing(path)
    config = folder.read_config("leave this run out")
    options = config["options"]
    losses, tests = _read_log(folder)
    if not tests:
        raise NoTestsError(
            f"{path} has no reconstruction test in its log: it has not come to the first one, was trained with "
            f"--test-every 0, or is older than the tests; go on with --resume {path} --test-every 1000, or leave it out"
        )
    name, data = printable(folder.path.resolve().name), config.get("data", {})
    finals, damaged = _read_finals(folder.evaluation)
    return RunSummary(folder, name, options["norm"], options, data, config, losses, tests, finals, damaged)


def _read_log(folder: RunFolder) -> tuple[dict[str, np.ndarray], list[RunningTest]]:
    """Loss columns and running tests; a last line that is still being written is left out."""
    rows, tests = [], []
    for number, entry in enumerate(folder.read_log(), start=1):
        figures, names = entry, LOSSES
        if "reconstruction" in entry:
            figures, names = entry["reconstruction"], RunningTest._fields[1:]
        try:
            check(figures, dict.fromkeys(names, float))
            values = [entry["iteration"], *(figures[name] for name in names)]
            if max(map(abs, values[1:])) > FLOAT32:
                raise ValueError("a number is out of range")
            if "reconstruction" in entry:
                tests.append(RunningTest(*values))
                if tests[-1].loss <= 0 or tests[-1].std < 0:
                    raise ValueError("a loss is not positive")
            else:
                rows.append(values)
        except ValueError as error:
            raise folder.damaged_line(number, error) from error
    columns = np.array(rows, float).reshape(-1, 1 + len(LOSSES)).T
    return dict(zip(("iteration", *LOSSES), columns, strict=True)), tests


def _read_finals(folder: Path) -> tuple[dict[str, FinalResult], tuple[str, ...]]:
    """By checkpoint the newest sound result, of equally old ones that of most steps; the damaged ones of the best."""
    results = {path: _read_final(path) for path in sorted(folder.glob("reconstruct-final-*-*.json"))}
    damaged = tuple(path.name for path, result in results.items() if not result and "-best-" in path.name)
    sound = sorted(filter(None, results.values()), key=lambda result: (result.path.stat().st_mtime, result.steps))
    newest = {result.path.name.split("-")[2]: result for result in sound}
    return dict(sorted(newest.items(), key=lambda item: (item[1].iteration, item[0]))), damaged


def _read_final(path: Path) -> FinalResult | None:
    """One result; None if it is damaged, or its figures do not fit each other."""
    try:
        values = read_json(path, FINAL, "")
    except (TinyganError, OSError):
        return None
    losses = np.array(values["losses"], float)
    if not len(losses) == values["count"] > 0 or losses.min() < 0 or losses.max() > FLOAT32 or values["loss"] <= 0:
        return None
    if not np.isclose(values["loss"], losses.mean(), rtol=1e-6, atol=0):
        return None
    search = {name: values.get(name) for name in Search._fields if name != "steps"}
    figures = {name: values[name] for name in FinalResult._fields[:-1] if name not in ("losses", "search")}
    return FinalResult(**figures, search=search, losses=losses, path=path)
