"""Scripts end in an exit code and one line."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinygan.errors import NonFiniteError, Stopped, TinyganError, UsageError, run_script

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (TinyganError("the disk\n is full"), 1, "error: the disk is full"),
        (NonFiniteError("a loss"), 1, "error: a loss"),
        (UsageError("no such option"), 2, "error: no such option"),
        (Stopped("all saved", 15), 143, "all saved"),
        (FileNotFoundError(2, "No such file or directory", "images"), 1, "error: images: No such file or directory"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_an_expected_failure_is_one_line(capsys, error, code, line):
    def main(arguments):
        raise error

    assert run_script(main, []) == code
    assert capsys.readouterr().err == line + "\n"
    assert run_script(main, ["--debug"]) == code
    assert "Traceback" in capsys.readouterr().err


def test_success_is_silent(capsys):
    assert run_script(lambda arguments: None, []) == 0
    assert capsys.readouterr() == ("", "")


def test_a_defect_is_shown_whole():
    def main(arguments):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_script(main, [])


class OutOfMemoryError(MemoryError):
    """As CuPy's: of the GPU's memory, in its own words."""


@pytest.mark.parametrize("raised", [MemoryError(), np._core._exceptions._ArrayMemoryError((9, 9), np.dtype("u1")),
                                    OutOfMemoryError("Out of memory allocating 4,096 bytes")], ids=type)  # fmt: skip
@pytest.mark.parametrize(
    ("typed", "remedy"),
    [
        ("--batch-size 90000 --features 64", "give less than --batch-size 90000"),
        ("--image-size=4096x2048 --seed 7", "give less than --image-size 4096x2048"),
        ("--feat 9000", "give less than --features 9000"),
        ("--code-size 60000", "give less than --code-size 60000"),
        ("--log-every 9000000", "give less than --log-every 9000000"),
        ("samples latest --count 999999", "give less than --count 999999"),
        ("--resume latest --batch-size 90000", "end other programs, or take a machine with more of it"),
        ("--batch-size 4 --seed 99999999", "end other programs, or take a machine with more of it"),
    ],
)
def test_too_little_memory_is_one_line_that_names_what_was_large(capsys, raised, typed, remedy):
    def main(arguments):
        raise raised

    assert run_script(main, typed.split()) == 1
    line = capsys.readouterr().err
    assert line.startswith("error: not enough memory")
    assert line.endswith(f": {remedy}\n")
    assert line.count("\n") == 1
    assert str(raised) in line


LARGE = [
    "--batch-size 1000000", "--image-size 8x2000", "--image-size 16384", "--features 65536", "--code-size 65536",
    "--log-every 10000000", "--model resnet --d-features 65536,65536,65536 --batch-size 1000000",
]  # fmt: skip
# Command lines one after the other in a process that may have one gigabyte; few images to draw.
ONE_GIGABYTE = """
import resource, shlex, sys
resource.setrlimit(resource.RLIMIT_DATA, (2**30, 2**30))
import train
from tinygan.data import shapes
from tinygan.errors import run_script
shapes.IMAGES = 2000
sys.exit(max(run_script(train.main, shlex.split(typed)) for typed in sys.argv[1:]))
"""


def test_a_dry_run_estimates_and_does_not_allocate():
    command = [sys.executable, "-c", ONE_GIGABYTE, *(f"--dry-run --device cpu {typed}" for typed in LARGE)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(re.findall(r"memory of a training step: (?:about )?\d+ MiB", done.stdout)) == len(LARGE)


def test_an_array_that_does_not_fit_is_one_line(tmp_path):
    """The whole way."""
    command = [sys.executable, "-c", ONE_GIGABYTE, f"--features 4096 --device cpu --out '{tmp_path}'"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert re.fullmatch("error: not enough memory[^\n]*: give less than --features 4096\n", done.stderr)
