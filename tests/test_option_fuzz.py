"""Whole command lines with numbers that cannot be meant, in processes of their own: one line or a result, no loss."""

import json
import os
import random
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.commandlines import numeric
from tests.data.conftest import write_pictures
from tests.test_ranges import NO_NUMBER
from tinygan.ranges import RANGES

ROOT = Path(__file__).parent.parent
SECONDS = 60  # for a process on a busy machine
# What makes every command finish at once, whatever one option says.
QUICK = {
    "train": ["--features=2", "--code-size=4", "--batch-size=5", "--device=cpu", "--iterations=1", "--test-every=0",
              "--dataset=folder", "--image-size=8"],
    "evaluate reconstruct": ["--steps=1", "--count=2", "--device=cpu"],
    "evaluate samples": ["--count=2", "--device=cpu"],
    "evaluate interpolate": ["--device=cpu"],
    "evaluate modes": ["--count=2", "--device=cpu"],
    "evaluate measures": ["--count=2", "--device=cpu"],
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with images and a finished run that has a result."""
    folder = tmp_path_factory.mktemp("fuzz")
    write_pictures(folder / "photos", 60, height=8, width=8)
    arguments = [*QUICK["train"], "--test-every=1", "--data-dir=photos", "--out=runs"]
    for command in (["train.py", *arguments], ["evaluate.py", "reconstruct", "runs/00000-folder-wn", "--steps=1"]):
        subprocess.run([sys.executable, ROOT / command[0], *command[1:]], cwd=folder, check=True, capture_output=True)
    return folder


def lines(place, rng):
    """Endless (command line, whether the number is one of its range), each with one number mutated."""
    cases = [case for case in numeric() if case[0].__name__ in ("train", "evaluate", "data_prep")]
    while True:
        script, words, action, entry = rng.choice(cases)
        numbers, option = RANGES[entry], action.option_strings[-1]
        near = [numbers.low - 1, numbers.low, 0, 10**20, -(10**20), rng.uniform(-2, 2), numbers.high * 2]
        value = rng.choice([*NO_NUMBER[:-1], *map(repr, near)])
        try:
            right = numbers.read(value) in numbers
        except ValueError:
            right = False
        command = script.__name__ if script.__name__ != "evaluate" else f"evaluate {words[0]}"
        quick = [other for other in QUICK.get(command, []) if other.partition("=")[0] != option]
        if command == "train":
            quick += [f"--data-dir={place / 'photos'}", "--out=made"]
        elif command == "data_prep":
            words, quick = [words[0]], [f"--source={place / 'photos'}", "--out=made", "--image-size=8", "--processes=1"]
            quick = [other for other in quick if other.partition("=")[0] != option]
        elif command != "train":
            words = [words[0], str(place / "runs/00000-folder-wn")]
        yield [f"{script.__name__}.py", *words, *quick, f"{option}={value}"], right


def run(place, folder, command, right):
    """Run it; AssertionError where it is not one line, a result, or where the finished run's result has changed."""
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, ROOT / command[0], *command[1:]],
        cwd=folder,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert "Traceback" not in done.stderr, (command, done.stderr)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    if not right:
        assert (done.returncode, len(errors), done.stdout) == (2, 1, ""), (command, done)
        assert not list(folder.iterdir()), command
    else:
        assert (done.returncode == 0) == (not errors), (command, done.stderr)
    shutil.rmtree(folder)


def fuzz(place, tmp_path, count, seed):
    result = place / "runs/00000-folder-wn/evaluation/reconstruct-final-best-1.json"
    before = json.loads(result.read_text())
    made, lock = lines(place, random.Random(seed)), threading.Lock()

    def one(number):
        with lock:
            command, right = next(made)
        run(place, tmp_path / str(number), command, right)
        return right

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(one, range(count)))
    assert not all(outcomes)
    assert json.loads(result.read_text())["losses"] == before["losses"]


def test_some_mutated_command_lines(place, tmp_path):
    fuzz(place, tmp_path, 12, seed=0)


@pytest.mark.slow
def test_many_mutated_command_lines(place, tmp_path):
    fuzz(place, tmp_path, 500, seed=1)
