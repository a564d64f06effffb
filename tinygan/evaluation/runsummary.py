"""What a run folder says about a run: its options, its log, its running tests, its final test."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinygan.errors import TinyganError
from tinygan.reconstruction import Search
from tinygan.text import printable
from tinygan.training.runfolder import RunFolder
from tinygan.training.step import Losses

LOSSES = Losses._fields


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
    """What a run folder says.

    Attributes:
        name: the folder's name, unprintable characters escaped.
        norm, options, data: from ``config.json``, of which ``config`` is the whole.
        losses: the log's columns ``iteration``, ``d_real``, ``d_fake`` and ``g`` (nats), (lines,) each.
        tests: the running tests in the log's order, at least one.
        final: None if the best checkpoint has not been through the final test.
    """

    folder: RunFolder
    name: str
    norm: str
    options: dict
    data: dict
    config: dict
    losses: dict[str, np.ndarray]
    tests: list[RunningTest]
    final: FinalResult | None

    @property
    def best(self) -> RunningTest:
        """The running test with the lowest loss, the first of equals, as the training loop keeps it."""
        return min(self.tests, key=lambda test: test.loss)


class NoTestsError(TinyganError):
    """A run has no running test in its log, yet or at all."""


def read_run(path: Path) -> RunSummary:
    """Read a run folder, of a run that has ended or one that is being written.

    Raises:
        TinyganError: not a run folder, or a damaged file (named, with its line).
        NoTestsError: no running test.
    """
    folder = RunFolder(path)
    if not folder.config.is_file():
        raise TinyganError(f"{path} is not a run folder (it has no config.json): give one like runs/00000-cifar10-wn")
    try:
        config = json.loads(folder.config.read_text())
        options, data, norm = config["options"], config.get("data", {}), config["options"]["norm"]
    except (ValueError, KeyError, TypeError) as error:
        raise TinyganError(f"{folder.config} is damaged: restore it from a copy, or leave this run out") from error
    losses, tests = _read_log(folder.log)
    if not tests:
        raise NoTestsError(
            f"{path} has no reconstruction test in its log: it has not come to the first one, was trained with "
            f"--test-every 0, or is older than the tests; go on with --resume {path} --test-every 1000, or leave it out"
        )
    name = printable(folder.path.resolve().name)
    return RunSummary(folder, name, norm, options, data, config, losses, tests, newest_final(folder.evaluation))


def _read_log(path: Path) -> tuple[dict[str, np.ndarray], list[RunningTest]]:
    """Loss columns and running tests; a last line that is still being written is left out."""
    rows, tests = [], []
    lines = path.read_text(errors="replace").split("\n") if path.exists() else [""]
    for number, line in enumerate(lines[:-1], start=1):
        try:
            entry = json.loads(line)
            if "reconstruction" in entry:
                figures = entry["reconstruction"]
                values = [entry["iteration"], *(figures[name] for name in RunningTest._fields[1:])]
                tests.append(RunningTest(*values))
            else:
                values = [entry["iteration"], *(entry[name] for name in LOSSES)]
                rows.append(values)
            if not math.isfinite(sum(values)):
                raise ValueError("not finite")
        except (ValueError, KeyError, TypeError) as error:
            raise TinyganError(f"{path}, line {number} is damaged: repair or delete this line") from error
    columns = np.array(rows, float).reshape(-1, 1 + len(LOSSES)).T
    return dict(zip(("iteration", *LOSSES), columns, strict=True)), tests


def newest_final(folder: Path, checkpoint: str = "best") -> FinalResult | None:
    """The newest complete result of a checkpoint on the final test, of equally old ones that of most steps."""
    found = []
    for path in folder.glob(f"reconstruct-final-{checkpoint}-*.json"):
        try:
            values = json.loads(path.read_text())
            values["losses"] = np.array(values["losses"], float)
            values["search"] = {name: values.get(name) for name in Search._fields if name != "steps"}
            result = FinalResult(**{name: values[name] for name in FinalResult._fields[:-1]}, path=path)
            if result.losses.shape == (result.count,) and result.count and np.isfinite(result.losses).all():
                found.append((path.stat().st_mtime, result.steps, result))
        except (ValueError, KeyError, TypeError):  # not complete
            continue
    return max(found, key=lambda entry: entry[:2])[2] if found else None
