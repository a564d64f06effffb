"""Run folders, checkpoints, logs, configs and packed sets that something has damaged: 3,000, or a few each time.

Whatever comes of one is a success or one line, soon. Refused, everything stays as it was, to the byte. Where a run goes
on, it comes to the same weights as it would have undamaged, and no line of its log is lost.
"""

import json
import os
import shutil
import signal
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.data.conftest import write_pictures
from tests.data.test_fuzz import mutate
from tests.data.test_prepare import OPTIONS, stopped
from tests.training.test_checkpoint import rewrite
from tinygan.cli import data as data_prep
from tinygan.cli import evaluate, train
from tinygan.dataprep import workers
from tinygan.dataprep.prepare import prepare
from tinygan.dataprep.sources.files import FolderSource
from tinygan.errors import run_script
from tinygan.runtime import threads
from tinygan.training import checkpoint
from tinygan.training.runfolder import RunFolder

SECONDS = 20  # for one command; an undamaged one takes less than half a second, on a busy machine a few
DONE, GOAL = 6, 7  # iterations of the run that is damaged, and after it was gone on with
NETWORK = "--features 2 --code-size 3 --batch-size 5 --levels 2 --norm bn --device cpu"
INTERVALS = "--log-every 2 --sample-every 3 --test-every 3 --save-every 3 --keep-every 4"
# Of each kind of damage: how many in all, and how many each time.
ROUNDS = {
    "log": (400, 10),
    "config": (400, 8),
    "checkpoint": (700, 12),
    "old checkpoint": (300, 6),
    "final result": (350, 8),
    "unfinished search": (150, 4),
    "picture": (100, 3),
    "packed set": (300, 6),
    "unfinished set": (100, 6),
    "folder": (200, 6),
}
# What no entry of a JSON file is meant to be.
ODD = [None, True, -1, 0, 1.5, "", "x\x1b[2J", [], {}, [[1, 2]], 10**400, float("nan"), float("inf"), 1e300]


def nested() -> list:
    """Deeper than anybody needs."""
    value: list = []
    for _ in range(500):
        value = [value]
    return value


@contextmanager
def within(seconds: int):
    """Fail, rather than hang."""

    def late(*_):
        raise AssertionError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A run of 6 iterations on a packed set, evaluated, an interrupted search, and where it should come to."""
    home = tmp_path_factory.mktemp("base")
    patch = pytest.MonkeyPatch()
    patch.setattr(threads, "core_count", lambda: 1)
    write_pictures(home / "photos" / "a", 20)
    write_pictures(home / "photos" / "b", 24)
    prepare(FolderSource(home / "photos"), OPTIONS, home / "set", 1)
    patch.setattr(workers, "BLOCK_ITEMS", 4)
    stopped(home / "photos", home / "unfinished", patch)
    arguments = [*NETWORK.split(), *INTERVALS.split(), "--iterations", DONE, "--data-dir", home / "set"]
    assert run_script(train.main, [*map(str, arguments), "--out", str(home / "runs")]) == 0
    run = home / "runs" / "00000-folder-bn"
    assert run_script(evaluate.main, ["reconstruct", str(run), "--steps", "2"]) == 0
    patch.setattr("tinygan.evaluation.finaltest.save_grid", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        evaluate.main(["reconstruct", str(run), "--set", "running", "--steps", "1"])
    patch.undo()
    patch.setattr(threads, "core_count", lambda: 1)
    shutil.copytree(home / "runs", home / "reference")
    reference = home / "reference" / run.name
    assert run_script(train.main, ["--resume", str(reference), "--iterations", str(GOAL)]) == 0
    tensors = checkpoint.load(RunFolder(reference).last).tensors
    yield SimpleNamespace(home=home, run=run, tensors=tensors)
    patch.undo()


@pytest.fixture
def call(capsys):
    """Run a script's main: its exit code, after making sure that a failure is one line."""

    def run(main, *arguments) -> int:
        with within(SECONDS):
            code = run_script(main, [str(argument) for argument in arguments])
        _, err = capsys.readouterr()
        assert code in (0, 1, 2)
        if code:
            assert err.startswith("error: ")
            assert err.count("\n") == 1
            assert len(err) < 1000
        return code

    return run


def content_of(folder: Path) -> dict[str, bytes | None]:
    """Every path below ``folder``; None for what is no file."""
    found = {}
    for path in sorted(folder.rglob("*")):
        found[str(path.relative_to(folder))] = path.read_bytes() if path.is_file() else None
    return found


def mutate_json(value, rng):
    """One entry becomes something else, or goes."""
    if isinstance(value, (dict, list)) and value and rng.integers(4):
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = keys[int(rng.integers(len(keys)))]
        changed = value.copy()
        if rng.integers(6):
            changed[key] = mutate_json(value[key], rng)
        else:
            del changed[key]
        return changed
    return nested() if rng.integers(12) == 0 else ODD[int(rng.integers(len(ODD)))]


def damage_json(path: Path, rng) -> None:
    """Its bytes, or one of its values."""
    if rng.integers(2):
        path.write_bytes(mutate(path.read_bytes(), rng))
    else:
        path.write_text(json.dumps(mutate_json(json.loads(path.read_text()), rng)))


def damage_log(path: Path, rng) -> None:
    """Its bytes, or a value of one of its lines."""
    lines = path.read_text().splitlines()
    if rng.integers(2):
        path.write_bytes(mutate(path.read_bytes(), rng))
        return
    at = int(rng.integers(len(lines)))
    lines[at] = json.dumps(mutate_json(json.loads(lines[at]), rng))
    path.write_text("\n".join(lines) + "\n")


def damage_checkpoint(path: Path, rng) -> None:
    """A byte among the tensors, or anything in the part before them."""
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    if rng.integers(2):
        at = int(rng.integers(start, len(content)))
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << int(rng.integers(8))]) + content[at + 1 :])
    else:
        path.write_bytes(mutate(content[:start], rng) + content[start:])


def damage_file(path: Path, rng) -> None:
    """It goes, or becomes something else."""
    path.unlink()
    match rng.integers(4):
        case 0:
            path.mkdir()
        case 1:
            os.mkfifo(path)
        case 2:
            path.symlink_to("nowhere")


class Case:
    """A copy of the run and its set, to be damaged."""

    def __init__(self, base, folder: Path, call):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(base.home / "runs", folder / "runs", symlinks=True)
        self.base, self.folder, self.call = base, folder, call
        self.run = folder / "runs" / base.run.name
        self.set = base.home / "set"

    def go_on(self, exact: bool = True) -> int:
        """Resume the run, and see that it came to where it should, or that nothing was touched."""
        before = content_of(self.folder)
        known = complete_lines(self.run / "log.jsonl")
        places = ["--data-dir", self.set, "--out", self.folder / "runs"]
        code = self.call(train.main, "--resume", self.run, "--iterations", GOAL, *places)
        if code:
            assert content_of(self.folder) == before
        elif exact:
            last = max((self.folder / "runs").glob("*/checkpoints/last.safetensors"), key=lambda path: path.parts)
            stored = checkpoint.load(last)
            assert stored.progress.iteration == GOAL
            assert stored.tensors.keys() == self.base.tensors.keys()
            for name, tensor in stored.tensors.items():
                np.testing.assert_array_equal(tensor, self.base.tensors[name])
            log = RunFolder(last.parent.parent).read_log()
            assert all(line in log for line in known)
        return code

    def look(self) -> None:
        """Compare and report it; neither changes anything in it."""
        before = content_of(self.run)
        page, table = self.folder / "page.html", self.folder / "table.json"
        self.call(evaluate.main, "report", self.run, "--out", page)
        if self.call(evaluate.main, "compare", self.run, "--json", table) == 0:
            run = json.loads(table.read_text())["runs"][0]
            losses = [run["running"]["loss"]] + ([run["final"]["loss"]] if run["final"] else [])
            assert all(0 < loss < 1e39 for loss in losses)
        assert content_of(self.run) == before


def complete_lines(path: Path) -> list[dict]:
    """The lines of a log up to the checkpoint's iteration that can be read."""
    lines = []
    for line in path.read_bytes().split(b"\n")[:-1] if path.is_file() else []:
        try:
            entry = json.loads(line)
            if type(entry["iteration"]) is int and entry["iteration"] <= DONE:
                lines.append(entry)
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return lines


def one_round(kind: str, case: Case, base, rng) -> None:
    """Damage a copy in some way of this kind, and use it."""
    checkpoints = case.run / "checkpoints"
    final = case.run / "evaluation" / "reconstruct-final-best-2.json"
    match kind:
        case "log":
            damage_log(case.run / "log.jsonl", rng)
            case.look()
            case.go_on()
        case "config":
            damage_json(case.run / "config.json", rng)
            case.look()
            case.go_on()
        case "checkpoint":
            name = ("last", "best", "000004")[int(rng.integers(3))]
            path = checkpoints / f"{name}.safetensors"
            good = path.read_bytes()
            damage_checkpoint(path, rng)
            refused = case.call(evaluate.main, "samples", case.run, "--checkpoint", name, "--count", 2)
            assert refused or path.read_bytes() == good
            shutil.rmtree(case.run / "evaluation")
            assert case.go_on() == 0 or name == "last"  # a run goes on from a sound last checkpoint
        case "old checkpoint":
            rewrite(checkpoints / "last.safetensors", description=lambda values: mutate_json(values, rng))
            case.go_on(exact=False)
        case "final result":
            damage_json(final, rng)
            case.look()
        case "unfinished search":
            damage_checkpoint(final.with_name("reconstruct-running-best-1.unfinished.safetensors"), rng)
            before = content_of(case.run)
            if case.call(evaluate.main, "reconstruct", case.run, "--set", "running", "--steps", 1):
                assert content_of(case.run) == before
        case "picture":
            pictures = sorted(case.run.rglob("*.png"))
            path = pictures[int(rng.integers(len(pictures)))]
            path.write_bytes(mutate(path.read_bytes(), rng))
            case.look()
        case "packed set":
            case.set = shutil.copytree(base.home / "set", case.folder / "set")
            path = sorted(path for path in case.set.iterdir() if path.suffix != ".png")[int(rng.integers(5))]
            good = path.read_bytes()
            damage_json(path, rng) if path.suffix == ".json" else path.write_bytes(mutate(good, rng))
            verified = case.call(data_prep.main, "info", case.set, "--verify") == 0
            assert not verified or path.suffix == ".json" or path.read_bytes() == good
            if path.name != "images.npy" or len(path.read_bytes()) != len(good):  # pixels are for --verify
                case.go_on()
        case "unfinished set":
            out = shutil.copytree(base.home / "unfinished", case.folder / "out")
            path = out / "unfinished" / ("images.npy", "journal.json")[int(rng.integers(2))]
            damage_json(path, rng) if path.suffix == ".json" else path.write_bytes(mutate(path.read_bytes(), rng))
            before = content_of(out)
            how = ["--image-size", 8, "--processes", 1]
            if case.call(data_prep.main, "folder", "--source", base.home / "photos", "--out", out, *how):
                assert content_of(out) == before
            else:
                for name in ("images.npy", "train.npy", "names.txt", "labels.npy"):
                    assert (out / name).read_bytes() == (base.home / "set" / name).read_bytes()
        case "folder":
            paths = sorted(path for path in case.run.rglob("*") if path.is_file())
            path = paths[int(rng.integers(len(paths)))]
            damage_file(path, rng)
            case.look()
            case.go_on(exact=path.name != "log.jsonl")


@pytest.mark.parametrize("many", [pytest.param(False, id="few"), pytest.param(True, id="many", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ROUNDS)
def test_damage(kind, many, base, tmp_path, call):
    for number in range(ROUNDS[kind][0 if many else 1]):
        rng = np.random.default_rng([number, *kind.encode()])
        try:
            one_round(kind, Case(base, tmp_path / "case", call), base, rng)
        except BaseException as error:
            error.add_note(f"round {number} of {kind}")
            raise


def test_the_rounds_add_up():
    assert sum(many for many, _ in ROUNDS.values()) == 3000
