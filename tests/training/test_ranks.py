"""Ranks of MPI against one process: the same training, one folder, and an end for all of them whatever happens."""

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests import mpiexec
from tinygan.models.norms import NORMS
from tinygan.runtime.launched import LAUNCHERS
from tinygan.training import checkpoint
from tinygan.training.runfolder import find_checkpoint

reason = mpiexec.why_no_mpi()
pytestmark = pytest.mark.skipif(reason is not None, reason=str(reason))
RANK_VARIABLES = [rank.encode() for _, rank in LAUNCHERS.values()]
LIMIT = 10.0  # seconds within which all ranks have to end

# A training of tiny networks: random images in place of every data set.
TINY = """
import numpy as np
from tinygan import data
from tinygan.data.imageset import ImageSet
from tinygan.rng import rng_for
def load(dataset, data_dir, size, crop):
    images = rng_for(0, "test images").integers(0, 256, (48, *size, 3)).astype(np.uint8)
    return ImageSet(dataset, images, None, "random images")
data.load = load
"""
OPTIONS = ["--device", "cpu", "--image-size", "16x12", "--features", "4", "--code-size", "5", "--batch-size", "7"]
OPTIONS += ["--learning-rate", "1e-3", "--precision", "float64"]
RESNET = ["--model", "resnet", "--d-features", "3,5", "--g-features", "4,6", "--d-blocks", "1,1", "--g-blocks", "1,2"]
TRAIN = mpiexec.script("train", TINY)
ENDLESS = [*OPTIONS, "--norm", "bn", "--iterations", "100000", "--log-every", "2", "--save-every", "2"]
ENDLESS += ["--sample-every", "100000", "--keep-every", "100000", "--test-every", "0"]

# Several trainings one after the other in the same ranks: starting them takes longer than training.
MANY = f"""
import sys
{TINY}
import train
from tinygan.runtime.launched import run_script
def main(arguments):
    for line in open(arguments[0]):
        train.main(line.split())
sys.exit(run_script(main, sys.argv[1:]))
"""


EAGERLY = """
from tinygan.training.recorded_step import RecordedGame
RecordedGame.eagerly = True
"""
# Each rank leaves a point for each step that it replays.
COUNTED = """
import os, sys
from tinygan.runtime.recording import Recording
run = Recording.run
def counted(self):
    with open(f"{sys.argv[1]}.{os.getpid()}", "a") as file:
        file.write(".")
    run(self)
Recording.run = counted
"""


def finish(process, seconds=120):
    """Exit code, and the lines of its own that it wrote to standard error."""
    try:
        _, error = process.communicate(timeout=seconds)
    except Exception:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return process.returncode, mpiexec.lines_of(error), error


def tensors(out):
    return checkpoint.load(find_checkpoint("latest", out)).tensors


CASES = {
    f"{norm}-{schedule}-{model}": [*OPTIONS, "--norm", norm, "--schedule", schedule, *extra]
    for norm in NORMS
    for schedule in ("alternating", "shared")
    for model, extra in (("dcgan", []), ("resnet", RESNET))
}
FEW = [
    "bn-alternating-resnet",
    "bn-shared-dcgan",
    "wn-alternating-dcgan",
    "wn-affine-shared-resnet",
    "none-shared-dcgan",
]


def train_all(ranks, folder, cases, before=""):
    """The cases for ten iterations each, after some code; the run of each has its own folder."""
    few = ["--iterations", "10", "--log-every", "10", "--test-every", "10", "--sample-every", "10"]
    folder.mkdir()
    (folder / "cases").write_text(
        "".join(" ".join([*CASES[name], *few, "--out", str(folder / name)]) + "\n" for name in cases)
    )
    code, _, error = finish(mpiexec.start(ranks, before + MANY, folder / "cases"), 300)
    assert code == 0, error
    return {name: tensors(folder / name) for name in cases}


def bytes_of(trained):
    return {case: {name: tensor.tobytes() for name, tensor in values.items()} for case, values in trained.items()}


def assert_same_training(ranks, cases, folder):
    alone = train_all(1, folder / "alone", cases)
    first = train_all(ranks, folder / "first", cases, COUNTED)
    replayed = [len(path.read_text()) for path in (folder / "first").glob("cases.*")]
    assert replayed == [9 * len(cases)] * ranks  # all but each training's first
    for case, expected in alone.items():
        for name, tensor in expected.items():
            np.testing.assert_allclose(first[case][name], tensor, rtol=0, atol=1e-10, err_msg=f"{case} {name}")
    logs = [path.read_text() for path in (folder / "first").rglob("log.jsonl")]
    assert len(logs) == len(cases)  # one folder each
    assert all("reconstruction" in log for log in logs)
    assert bytes_of(train_all(ranks, folder / "second", cases, EAGERLY)) == bytes_of(first)


def test_two_ranks_learn_what_one_process_does_and_repeat_their_bits(tmp_path):
    """7 images do not divide evenly, and rounding alone stays below 1e-10; recorded or not, the bits are the same."""
    assert_same_training(2, FEW, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_every_kind_of_training_by_any_number_of_ranks(tmp_path, ranks):
    assert_same_training(ranks, CASES, tmp_path)


def ranks_of(process):
    """The ids of the ranks by their number, once all have begun."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = dict(word.split(b"=", 1) for word in (folder / "environ").read_bytes().split(b"\0") if b"=" in word)
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        rank = next((words[name] for name in RANK_VARIABLES if name in words), None)
        if words.get(b"TINYGAN_TEST") == process.mark.encode() and rank and b"mpiexec" not in command:
            found[int(rank)] = int(folder.name)
    return found


@pytest.fixture
def training(tmp_path):
    """A function that starts an endless training and returns once it has saved; its ranks are gone afterwards."""
    started = []

    def start(ranks=2, code=TRAIN, options=ENDLESS, wait=True, **environment):
        mark = f"{os.getpid()}-{len(started)}-{time.monotonic_ns()}"
        process = mpiexec.start(ranks, code, *options, "--out", tmp_path / "runs", TINYGAN_TEST=mark, **environment)
        process.mark = mark
        started.append(process)
        until = time.monotonic() + 60
        while wait and process.poll() is None and time.monotonic() < until:
            logs = list(tmp_path.glob("runs/*/log.jsonl"))
            if logs and len(logs[0].read_text().splitlines()) >= 2:
                break
            time.sleep(0.05)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    for process in started:
        assert_gone(process)


def assert_gone(process):
    until = time.monotonic() + LIMIT
    while ranks_of(process):
        assert time.monotonic() < until, f"left behind: {ranks_of(process)}"
        time.sleep(0.05)


def assert_whole_and_resumes(training, tmp_path, ranks=2):
    reached = checkpoint.load(find_checkpoint("latest", tmp_path / "runs")).progress.iteration
    options = ["--resume", "latest", "--iterations", str(reached + 2)]
    code, _, error = finish(training(ranks, options=options, wait=False))
    assert code == 0, error
    assert checkpoint.load(find_checkpoint("latest", tmp_path / "runs")).progress.iteration == reached + 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_saves_once_and_another_number_of_ranks_goes_on(training, tmp_path, number):
    process = training()
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    code, said, error = finish(process, LIMIT)
    assert code == 128 + number, error
    assert len(said) == 1, error
    reached = int(re.match(rf"stopped by {number.name} after iteration (\d+), everything is saved", said[0])[1])
    assert checkpoint.load(find_checkpoint("latest", tmp_path / "runs")).progress.iteration == reached
    assert_gone(process)
    resumed = training(1, options=["--resume", "latest", "--iterations", str(reached + 2)], wait=False)
    output, error = resumed.communicate(timeout=60)
    assert resumed.returncode == 0, error
    assert "note: the run was trained by 2 ranks, and goes on with 1" in output


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_is_killed_ends_all(training, tmp_path, rank):
    process = training()
    os.kill(ranks_of(process)[rank], signal.SIGKILL)
    code, said, error = finish(process, LIMIT)
    assert code != 0
    assert not said, error
    assert_gone(process)
    assert_whole_and_resumes(training, tmp_path)


def test_ranks_end_with_their_launcher(training):
    process = training()
    process.kill()
    process.communicate(timeout=LIMIT)
    assert_gone(process)


FAIL = """
import tinygan.training.ranks as ranks_module
from tinygan.runtime.launched import launched
from tinygan.errors import TinyganError
step = ranks_module._step
def failing(group, number, learning_rate):
    if number == 5 and launched()[2] == {rank}:
        raise {error}
    return step(group, number, learning_rate)
ranks_module._step = failing
failing.__name__ = failing.__qualname__ = "_step"
failing.__module__ = "tinygan.training.ranks"
"""


@pytest.mark.parametrize(
    ("error", "rank"),
    [("MemoryError()", 1), ("TinyganError('no good')", 0), ("ZeroDivisionError()", 1)],
)
def test_a_rank_that_fails_ends_all_and_says_why(training, rank, error):
    code = mpiexec.script("train", TINY + FAIL.format(rank=rank, error=error))
    process = training(code=code, wait=False)
    exit_code, said, text = finish(process, LIMIT + 10)
    assert exit_code != 0
    assert len(said) == 1, text
    expected = {"M": "not enough memory", "T": "no good", "Z": "Traceback"}[error[0]]
    assert re.search(expected, said[0]), text
    if rank and error[0] != "Z":
        assert "rank 1 on " in said[0]


def test_images_that_another_rank_does_not_find_are_one_line(training):
    missing = """
from tinygan.runtime.launched import launched
from tinygan.errors import TinyganError
if launched()[2] == 1:
    def load(*_):
        raise TinyganError("data/faces: there is no such folder")
    data.load = load
"""
    process = training(code=mpiexec.script("train", TINY + missing), wait=False)
    code, said, error = finish(process, LIMIT + 10)
    assert code == 1, error
    assert len(said) == 1, error
    assert re.fullmatch("error: rank 1 on .*: data/faces: there is no such folder", said[0])


def test_bad_input_and_help_are_told_once(training, tmp_path):
    process = training(options=["--batch-size", "none"], wait=False)
    output, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert error.count("--batch-size") == 1, error
    process = training(options=["--help"], wait=False)
    output, error = process.communicate(timeout=60)
    assert output.count("usage") == 1, output
    assert (process.returncode, error) == (0, "")
    process = training(options=[*OPTIONS, "--norm", "wn", "--batch-size", "1"], wait=False)
    code, said, error = finish(process)
    assert (code, said) == (2, ["error: --batch-size 1 gives the 2 ranks less than an image each"]), error


def test_values_that_are_not_finite_in_any_rank_stop_all(training):
    poison = """
import tinygan.training.iteration as iteration_module
from tinygan.runtime.launched import launched
convert = iteration_module.to_unit_range
iteration_module.to_unit_range = lambda images, backend: convert(images, backend) * (np.nan if launched()[2] else 1)
"""
    process = training(code=mpiexec.script("train", TINY + poison), wait=False)
    code, said, error = finish(process)
    assert code == 1
    assert len(said) == 1, error
    assert "loss is not finite at iteration 1;" in said[0]


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_full_disk_of_the_first_rank_stops_all(training):
    full = """
import errno, os, tinygan.training.loop as loop
from tinygan.training.runfolder import RunFolder
from tinygan.files import cannot_write
append = RunFolder.append_log
def refuse(self, entry):
    if entry["iteration"] == 4:
        raise cannot_write(self.log, OSError(errno.ENOSPC, "No space left on device"))
    append(self, entry)
RunFolder.append_log = refuse
"""
    process = training(code=mpiexec.script("train", TINY + full), wait=False)
    code, said, error = finish(process, LIMIT + 10)
    assert code == 1
    assert len(said) == 1, error
    assert "No space left" in said[0]


def test_without_mpi4py_the_first_rank_says_so_and_none_trains(training, tmp_path):
    hidden = "import sys\nsys.modules['mpi4py'] = None\n"
    process = training(code=mpiexec.script("train", hidden + TINY), wait=False)
    code, said, error = finish(process, LIMIT + 10)
    assert code == 1
    assert len(said) == 1, error
    assert "mpiexec has started 2 ranks, which need mpi4py" in said[0]
    assert 'pip install -e ".[mpi]"' in said[0]
    assert not (tmp_path / "runs").exists()


def test_a_program_of_ones_own_is_refused_in_several_ranks(tmp_path):
    """Each would take itself for the first, and all would wait for each other."""
    own = f"""
import os
os.chdir({str(tmp_path)!r})
{TINY}
from tinygan.errors import UsageError
from tinygan.training import session
from tinygan.training.loop import Trainer
from tinygan.training.options import Options
try:
    options = Options(image_size=(16, 12), features=4, code_size=5, batch_size=7, iterations=3, device="cpu")
    Trainer(session.start(options)).run()
except UsageError as error:
    with open(f"said.{{os.getpid()}}", "w") as file:  # of its own: the launcher may break their lines into each other
        file.write(str(error))
"""
    code, _, error = finish(mpiexec.start(2, own), LIMIT + 20)
    assert code == 0, error
    said = [file.read_text() for file in tmp_path.glob("said.*")]
    assert said == ["ranks are for tinygan's scripts: start a program of your own without mpiexec or srun"] * 2


def test_reconstruct_is_shared_out(training, tmp_path):
    process = training(options=[*OPTIONS, "--norm", "bn", "--iterations", "3", "--test-every", "3"], wait=False)
    code, _, error = finish(process)
    assert code == 0, error
    run = next((tmp_path / "runs").iterdir())
    figures = []
    for ranks in (1, 2):
        arguments = ["reconstruct", run, "--steps", "5", "--set", "running", "--checkpoint", "last", "--device", "cpu"]
        code, _, error = finish(mpiexec.start(ranks, mpiexec.script("evaluate", TINY), *arguments))
        assert code == 0, error
        figures.append(json.loads((run / "evaluation/reconstruct-running-last-5.json").read_text()))
    assert figures[1]["losses"] == pytest.approx(figures[0]["losses"], rel=1e-9)


def wait_for(what, process, seconds=60):
    """Look until ``what()`` holds or the process has ended."""
    until = time.monotonic() + seconds
    while not what() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.0005)


def storm(training, tmp_path, count, seed):
    """Kill a random rank at a random moment, of every third training in the midst of a save; 2 to 4 ranks.

    Each time all ranks end within the limit, nothing is left behind, and the last checkpoint is whole, of an iteration
    not before the one that was there.
    """
    chance, reached, slowest, saves = np.random.default_rng(seed), 0, 0.0, 0
    last = None
    for number in range(count):
        ranks = int(chance.integers(2, 5))
        process = training(ranks, options=["--resume", "latest"] if last else ENDLESS, wait=False)
        wait_for(lambda process=process, ranks=ranks: len(ranks_of(process)) == ranks, process)
        found = ranks_of(process)
        delay, rank = chance.uniform(0, 4), int(chance.integers(ranks))
        if number % 3 == 2 and last:
            old = set(last.parent.glob("*.part"))  # of those that were killed
            wait_for(lambda old=old, files=last.parent: set(files.glob("*.part")) - old, process)
            delay = chance.uniform(0, 0.004)
            saves += 1
        time.sleep(delay)
        os.kill(found[rank], signal.SIGKILL)
        began = time.monotonic()
        where = f"kill {number} of rank {rank} of {found} after {delay:.4f} s"
        code, said, error = finish(process, LIMIT)
        assert code != 0, where
        assert not said, f"{where}: {error}"
        assert_gone(process)
        slowest = max(slowest, time.monotonic() - began)
        last = last or next(iter(tmp_path.glob("runs/*/checkpoints/last.safetensors")), None)
        if last:
            iteration = checkpoint.load(last).progress.iteration
            assert iteration >= reached, where
            reached = iteration
    assert_whole_and_resumes(training, tmp_path)
    print(f"{count} kills, {saves} in a save, {reached} iterations, slowest end {slowest:.2f} s")


def test_kills_at_any_moment(training, tmp_path):
    training().kill()
    storm(training, tmp_path, 3, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("piece", range(1, 11))
def test_a_hundred_kills(training, tmp_path, piece):
    storm(training, tmp_path, 10, seed=piece)
