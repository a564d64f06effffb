"""Exact resume: k iterations, stop, resume, n − k iterations are n iterations, bit for bit."""

import dataclasses
import gc
import itertools
import json
import os
import signal
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tests.permissions import as_somebody
from tests.training.conftest import TINY_RESNET, log_of
from tinygan.errors import Stopped, TinyganError, UsageError
from tinygan.models.norms import NORMS
from tinygan.training import checkpoint, session
from tinygan.training import options as training_options
from tinygan.training.loop import Trainer
from tinygan.training.runfolder import RunFolder, find_checkpoint


def run(options):
    started = session.start(options, ["test"])
    Trainer(started).run()
    return started


def go_on(path, **changes):
    stored = checkpoint.load(path)
    options = training_options.resume(stored.options, changes, path)
    resumed = session.resume(stored, options, ["test"])
    Trainer(resumed).run()
    return resumed


def assert_same_state(one, other):
    ours, theirs = (checkpoint.load(run_session.folder.last) for run_session in (one, other))
    assert ours.tensors.keys() == theirs.tensors.keys()
    for name, tensor in ours.tensors.items():
        assert tensor.tobytes() == theirs.tensors[name].tobytes(), name
    assert ours.progress.iteration == theirs.progress.iteration
    assert ours.progress.best == theirs.progress.best
    np.testing.assert_array_equal(ours.progress.pending_losses, theirs.progress.pending_losses)


# Within a log interval; 7·6 < 48 < 7·13: two epochs.
EVERY_RUN = list(itertools.product([6], ["dcgan", "resnet"], NORMS, ["alternating", "shared"]))


# At the end of an interval, where no losses are pending, once for each schedule.
@pytest.mark.parametrize(
    ("k", "model", "norm", "schedule"), [*EVERY_RUN, (4, "dcgan", "wn", "alternating"), (4, "dcgan", "bn", "shared")]
)
def test_resume_is_exact(tiny_options, norm, schedule, model, k):
    options = {"norm": norm, "schedule": schedule, "warmup": 8, **(TINY_RESNET if model == "resnet" else {})}
    whole = run(tiny_options(**options))
    first = run(tiny_options(**options, iterations=k))
    second = go_on(first.folder.last, iterations=13)

    assert second.folder.path == first.folder.path != whole.folder.path
    assert_same_state(whole, second)
    assert log_of(second.folder) == log_of(whole.folder)
    assert [line["iteration"] for line in log_of(whole.folder)] == [4, 5, 8, 10, 12, 13]
    pictures = [f"samples/{name}.png" for name in ("000000", "000005", "000013", "reals")]
    pictures += [f"reconstructions/{name}.png" for name in ("targets", "000005", "000010")]
    for picture in pictures:
        assert (whole.folder.path / picture).read_bytes() == (second.folder.path / picture).read_bytes()
    best, again = (checkpoint.load(one.folder.best) for one in (whole, second))
    assert best.progress.best == again.progress.best
    assert best.progress.iteration == again.progress.iteration == best.progress.best.iteration


def test_a_different_seed_gives_a_different_run(tiny_options):
    one, other = run(tiny_options(iterations=2)), run(tiny_options(iterations=2, seed=1))
    with pytest.raises(AssertionError):
        assert_same_state(one, other)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_run_goes_on_from_there(tiny_options, number, monkeypatch):
    whole = run(tiny_options())
    stopped = session.start(tiny_options(), ["test"])
    batch = stopped.source.batch
    raised_at = 6

    def interrupt(iteration):
        if iteration == raised_at:
            os.kill(os.getpid(), number)
        return batch(iteration)

    monkeypatch.setattr(stopped.source, "batch", interrupt)
    with pytest.raises(Stopped, match=r"after iteration 6.*--resume") as stop:
        Trainer(stopped).run()
    assert stop.value.exit_code == 128 + number
    assert checkpoint.load(stopped.folder.last).progress.iteration == raised_at

    resumed = go_on(find_checkpoint("latest", stopped.folder.path.parent))
    assert_same_state(whole, resumed)
    assert log_of(resumed.folder) == log_of(whole.folder)


def test_an_older_checkpoint_branches_off_and_leaves_its_run_alone(tiny_options):
    whole = run(tiny_options())
    before = {path: path.read_bytes() for path in whole.folder.path.rglob("*") if path.is_file()}
    branch = go_on(whole.folder.checkpoints / "000010.safetensors")
    assert branch.folder.path != whole.folder.path
    assert_same_state(whole, branch)
    assert log_of(branch.folder) == log_of(whole.folder)
    assert {path: path.read_bytes() for path in whole.folder.path.rglob("*") if path.is_file()} == before


def test_a_branch_takes_the_best_of_its_past_along_or_starts_without(tiny_options):
    whole = run(tiny_options(keep_every=6, iterations=8))  # its only running test is that of iteration 5
    older = whole.folder.checkpoints / "000006.safetensors"
    branch = go_on(older, iterations=7)
    assert branch.folder.path != whole.folder.path
    assert branch.folder.best.read_bytes() == whole.folder.best.read_bytes()
    assert checkpoint.load(branch.folder.last).progress.best.iteration == 5
    # Once the run has found a better one, that of the branch's past is gone.
    stored = checkpoint.load(whole.folder.last)
    stored.progress.best = checkpoint.Best(10, 0.0)
    game = session.build_game(stored.options, whole.backend)
    checkpoint.restore(stored, game)
    stored.progress.iteration = 10
    checkpoint.save(whole.folder.best, game, stored.progress, stored.options, stored.fingerprint)
    branch = go_on(older, iterations=7)
    assert not branch.folder.best.exists()
    assert checkpoint.load(branch.folder.last).progress.best is None


def test_a_best_checkpoint_from_after_the_last_save_is_found_again_or_replaced(tiny_options):
    whole = run(tiny_options(test_every=5, save_every=100))
    # As after a crash at iteration 12: the last save is that of 4, the best checkpoint already that of a later test.
    crashed = run(tiny_options(test_every=5, save_every=100, iterations=4))
    crashed.folder.best.write_bytes(whole.folder.best.read_bytes())
    resumed = go_on(crashed.folder.last, iterations=13)
    assert_same_state(whole, resumed)
    assert resumed.folder.best.read_bytes()[-1000:] == whole.folder.best.read_bytes()[-1000:]


def test_lines_written_after_the_last_save_are_cut(tiny_options):
    whole = run(tiny_options())
    crashed = run(tiny_options(iterations=9))
    # As after a crash at iteration 12: the last save was at 9, the log went on, its last line was cut off.
    with open(crashed.folder.log, "a") as log:
        log.write(json.dumps({"iteration": 12, "d_real": 0.0}) + '\n{"iteration": 13, "d_r')
    (crashed.folder.checkpoints / "000011.safetensors.part").write_bytes(b"half a checkpoint")
    resumed = go_on(crashed.folder.last, iterations=13)
    assert log_of(resumed.folder) == log_of(whole.folder)
    assert not list(crashed.folder.path.rglob("*.part"))


def test_a_folder_is_trained_by_one_process_at_a_time(tiny_options):
    first = run(tiny_options(iterations=3))
    log = first.folder.log.read_bytes()
    other = RunFolder(first.folder.path)
    other.lock()
    with pytest.raises(TinyganError, match="is being trained by another process"):
        go_on(first.folder.last, iterations=5)
    assert first.folder.log.read_bytes() == log
    other.unlock()
    go_on(first.folder.last, iterations=5)


def test_a_run_that_another_process_trained_meanwhile_is_not_cut_back(tiny_options):
    first = run(tiny_options(iterations=3))
    stale = checkpoint.load(first.folder.last)
    go_on(first.folder.last, iterations=7)
    log = first.folder.log.read_bytes()
    with pytest.raises(TinyganError, match="was trained further by another process just now: resume it again"):
        session.resume(stale, dataclasses.replace(stale.options, iterations=5))
    assert first.folder.log.read_bytes() == log
    assert go_on(first.folder.last, iterations=8).progress.iteration == 8


def test_a_session_that_is_dropped_lets_go_of_the_folder(tiny_options):
    """A notebook's cell that resumes is run twice, and what the first made is never trained."""
    first = run(tiny_options(iterations=3))
    stored = checkpoint.load(first.folder.last)
    options = dataclasses.replace(stored.options, iterations=5)
    dropped = session.resume(stored, options)
    del dropped
    gc.collect()
    assert session.resume(stored, options).folder.path == first.folder.path


@pytest.mark.parametrize("method", ["write_log", "describe"])
def test_a_resume_that_fails_lets_go_of_the_folder(tiny_options, monkeypatch, method):
    """In a notebook one frees some space and tries again in the same process."""
    first = run(tiny_options(iterations=3))

    def full(*_):
        raise TinyganError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, method, full)
        with pytest.raises(TinyganError, match="disk full"):
            go_on(first.folder.last, iterations=5)
    go_on(first.folder.last, iterations=5)


def test_only_some_options_may_change(tiny_options):
    first = run(tiny_options(iterations=3))
    for changes, word in (({"norm": "bn"}, "--norm"), ({"batch_size": 8}, "--batch-size"), ({"seed": 1}, "--seed")):
        with pytest.raises(UsageError, match=rf"{word} .* does not fit"):
            go_on(first.folder.last, **changes)
    go_on(first.folder.last, iterations=5, learning_rate=1e-4, norm="wn")
    config = json.loads(first.folder.config.read_text())
    assert config["options"]["learning_rate"] == 1e-4
    assert [entry["from_iteration"] for entry in config["sessions"]] == [0, 3]


def test_other_images_are_refused(tiny_options, monkeypatch):
    first = run(tiny_options(iterations=3))
    stored = checkpoint.load(first.folder.last)
    load = session.data.load

    def changed(*arguments):
        images = load(*arguments)
        images.images[0, 0, 0, 0] ^= 1
        return images

    monkeypatch.setattr(session.data, "load", changed)
    with pytest.raises(TinyganError, match="not those that"):
        session.resume(stored, stored.options, ["test"])


def test_latest_is_the_newest_run_with_a_checkpoint(tiny_options, tmp_path):
    with pytest.raises(TinyganError, match="no run in"):
        find_checkpoint("latest", tmp_path / "runs")
    run(tiny_options(iterations=1))
    second = run(tiny_options(iterations=1))
    (tmp_path / "runs" / "00002-shapes-wn").mkdir()
    assert find_checkpoint("latest", tmp_path / "runs") == second.folder.last
    assert find_checkpoint(str(second.folder.path), tmp_path) == second.folder.last


def everything(folder):
    """All files of a run with their content."""
    return {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}


def middle(content, line=b"\x00garbage\n"):
    """A log with a line that nobody wrote, in its middle."""
    lines = content.splitlines(keepends=True)
    return b"".join([*lines[:2], line, *lines[2:]])


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("log.jsonl", middle, r"log.jsonl, line 3 is damaged: repair or delete this line"),
        ("log.jsonl", lambda old: old + b"\xff\n", "line 4 is damaged"),
        ("config.json", lambda old: b"", r"config.json is damaged .*or move it away: the run then goes on in a new"),
        ("config.json", lambda old: b'{"options": {}, "sessions": 5}', "config.json is damaged"),
        ("config.json", lambda old: b'{"options": {}, "sessions": [5]}', "config.json is damaged"),
    ],
)
def test_nothing_is_rewritten_before_all_was_understood(tiny_options, file, damage, message):
    first = run(tiny_options(iterations=8))
    path = first.folder.path / file
    path.write_bytes(damage(path.read_bytes()))
    (first.folder.checkpoints / "x.part").write_bytes(b"of a killed writer")
    before = everything(first.folder)
    for _ in range(2):  # the lock is let go, too
        with pytest.raises(TinyganError, match=message):
            go_on(first.folder.last, iterations=10)
    assert everything(first.folder) == before
    assert [path.name for path in first.folder.path.parent.iterdir()] == [first.folder.path.name]


def test_the_remedies_are_some(tiny_options):
    whole, first = run(tiny_options()), run(tiny_options(iterations=8))
    log = first.folder.log.read_bytes()
    first.folder.log.write_bytes(middle(log))
    first.folder.log.write_bytes(log)  # the line deleted
    first.folder.config.write_bytes(b"")
    first.folder.config.unlink()  # moved away
    again = go_on(first.folder.last, iterations=13)
    assert again.folder.path != first.folder.path
    assert_same_state(whole, again)
    assert log_of(again.folder) == log_of(whole.folder)


@pytest.mark.parametrize("tail", [b'{"iteration": 9, "d_re', b"\x00" * 100, b"\xff\xfe"])
def test_a_last_line_that_was_cut_off_is_dropped_and_said(tiny_options, tail):
    whole, first = run(tiny_options()), run(tiny_options(iterations=8))
    first.folder.log.write_bytes(first.folder.log.read_bytes() + tail)
    resumed = go_on(first.folder.last, iterations=13)
    assert resumed.notes == [f"{first.folder.log}: its last line was cut off and is left out"]
    assert log_of(resumed.folder) == log_of(whole.folder)


def test_a_log_that_ends_too_early_is_said(tiny_options):
    first = run(tiny_options(iterations=8))
    lines = first.folder.log.read_bytes().splitlines(keepends=True)
    first.folder.log.write_bytes(lines[0])
    resumed = go_on(first.folder.last, iterations=9)
    assert resumed.notes == [f"{first.folder.log}: its lines of iterations 5 to 8 are missing"]
    assert [line["iteration"] for line in log_of(resumed.folder)] == [4, 9]


@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_a_damaged_best_checkpoint_does_not_keep_the_last_from_going_on(tiny_options, content):
    first = run(tiny_options(iterations=8))
    good = bytearray(first.folder.best.read_bytes())
    good[-1] ^= 1
    first.folder.best.write_bytes(good if content is None else content)
    resumed = go_on(first.folder.last, iterations=13)
    assert resumed.notes == [f"{first.folder.best} is damaged; the next running test writes a new one"]
    assert checkpoint.load(resumed.folder.best).progress.iteration == 10
    assert checkpoint.load(resumed.folder.last).progress.iteration == 13


def test_options_that_cannot_be_gone_on_with_change_nothing(tiny_options, monkeypatch):
    first = run(tiny_options(iterations=8))
    before = everything(first.folder)

    def refuse(*_):
        raise UsageError("no such batches")

    monkeypatch.setattr(session, "batch_source", refuse)
    with pytest.raises(UsageError):
        go_on(first.folder.last, iterations=13)
    assert everything(first.folder) == before


@pytest.mark.parametrize("moved", ["checkpoints", "checkpoints/last.safetensors"])
def test_checkpoints_that_lie_on_another_disk_belong_to_their_run(tiny_options, tmp_path, moved):
    whole, first = run(tiny_options()), run(tiny_options(iterations=9))
    place = first.folder.path / moved
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    resumed = go_on(first.folder.last, iterations=13)
    assert resumed.folder.path == first.folder.path.absolute()
    assert log_of(resumed.folder) == log_of(whole.folder)
    assert_same_state(whole, resumed)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="the system has no file permissions of this kind")
def test_a_best_checkpoint_that_may_not_be_read_is_neither_damaged_nor_missing(tiny_options):
    """The next running test would write another one in its place."""
    with tempfile.TemporaryDirectory() as out:  # pytest's own folders are closed to others
        first = run(tiny_options(iterations=6, out=out))
        before = everything(first.folder)
        for path in [Path(out), *Path(out).rglob("*")]:
            path.chmod(0o777)
        first.folder.best.chmod(0)
        with as_somebody():
            for _ in range(2):  # the lock is let go, too
                with pytest.raises(PermissionError):
                    go_on(first.folder.last, iterations=13, out=out)
        first.folder.best.chmod(0o600)
        assert everything(first.folder) == before
