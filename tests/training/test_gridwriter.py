"""Pictures are written while training goes on; none is lost, none is late for a checkpoint."""

import errno
import os
import threading

import numpy as np
import pytest

from tinygan.errors import NonFiniteError, TinyganError
from tinygan.images import save_grid
from tinygan.training import checkpoint, gridwriter, session
from tinygan.training.loop import Trainer

SOON = 10  # seconds


@pytest.fixture
def trainer(tiny_options):
    """A run whose grids of iterations 5, 10 and 13 fall between two checkpoints or come with one."""
    return Trainer(session.start(tiny_options(save_every=4, test_every=0), ["test"]))


def watch(monkeypatch, save):
    """Have ``save(path, images)`` write the grids."""
    monkeypatch.setattr(gridwriter, "save_grid", save)


def test_training_goes_on_while_a_grid_is_written(trainer, monkeypatch):
    further, seen = threading.Event(), []
    iterate = trainer.iterate

    def counted():
        iterate()
        if trainer.progress.iteration == 7:
            further.set()

    def slowly(path, images):
        if path.stem == "000005":
            seen.append(further.wait(SOON))
        save_grid(path, images)

    trainer.iterate = counted
    watch(monkeypatch, slowly)
    trainer.run()
    assert seen == [True]


def test_no_checkpoint_is_ahead_of_its_grids(trainer, monkeypatch):
    """A run that is killed goes on from its last checkpoint, and never makes the grids before it again."""
    save, seen = checkpoint.save, []

    def looked_at(path, game, progress, *rest):
        seen.append((progress.iteration, sorted(file.stem for file in trainer.session.folder.samples.glob("0*.png"))))
        save(path, game, progress, *rest)

    def slowly(path, images):
        threading.Event().wait(0.2)
        save_grid(path, images)

    monkeypatch.setattr(checkpoint, "save", looked_at)
    watch(monkeypatch, slowly)
    trainer.run()
    grids = ["000000", "000005", "000010", "000013"]
    assert seen == [(0, grids[:1]), (4, grids[:1]), (8, grids[:2]), (10, grids[:3]), (12, grids[:3]), (13, grids)]
    images = trainer.session.folder.samples
    assert all((images / f"{name}.png").stat().st_size for name in grids)


@pytest.mark.parametrize("iteration", [0, 5, 13])
def test_a_full_disk_ends_the_run_as_if_there_were_no_thread(trainer, monkeypatch, iteration):
    def refused(path, images):
        if path.stem == f"{iteration:06d}":
            raise TinyganError(f"cannot write {path}: {os.strerror(errno.ENOSPC)}; free some space")
        save_grid(path, images)

    watch(monkeypatch, refused)
    with pytest.raises(TinyganError, match=rf"cannot write .*{iteration:06d}\.png: No space left on device; free"):
        trainer.run()
    last = trainer.session.folder.last
    # None is written behind the grid that is missing.
    assert checkpoint.load(last).progress.iteration == {5: 4, 13: 12}[iteration] if iteration else not last.exists()
    assert trainer.progress.iteration <= iteration + 3


def test_a_refusal_is_told_before_the_next_grid_is_due(tiny_options, monkeypatch):
    rarely = dict.fromkeys(("iterations", "log_every", "save_every", "keep_every"), 1000)
    trainer = Trainer(session.start(tiny_options(**rarely, sample_every=40, test_every=0), ["test"]))
    asked = threading.Event()
    iterate = trainer.iterate

    def refused(path, images):
        if path.stem == "000040":
            asked.set()
            raise TinyganError("cannot write it")
        save_grid(path, images)

    def slower():
        iterate()
        if trainer.progress.iteration > 40:  # its thread may be late
            asked.wait(SOON)
            threading.Event().wait(0.05)

    trainer.iterate = slower
    watch(monkeypatch, refused)
    with pytest.raises(TinyganError, match="cannot write it"):
        trainer.run()
    assert 40 <= trainer.progress.iteration < 80


def test_the_training_s_own_error_comes_first_and_the_grid_is_finished(trainer, monkeypatch):
    """Whoever goes on with the folder then finds it as it stays."""
    begun = threading.Event()

    def slowly(path, images):
        if path.stem == "000005":
            begun.set()
            threading.Event().wait(0.3)
            save_grid(path, images)
            raise TinyganError("cannot write it")
        save_grid(path, images)

    def not_finite():
        if trainer.progress.iteration == 5:
            assert begun.wait(SOON)
            raise NonFiniteError("a loss")
        trainer.progress.iteration += 1

    trainer.iterate = not_finite
    monkeypatch.setattr(trainer, "log", lambda: None)
    watch(monkeypatch, slowly)
    folder = trainer.session.folder
    unlock = folder.unlock
    monkeypatch.setattr(folder, "unlock", lambda: unlock() or found.append((folder.samples / "000005.png").exists()))
    found = []
    with pytest.raises(NonFiniteError, match="a loss"):
        trainer.run()
    assert found == [True]


def test_an_image_that_is_not_finite_is_no_warning(tmp_path):
    """Nothing is said from another thread: the losses are looked at by the loop."""
    with gridwriter.GridWriter() as grids:
        grids.write(tmp_path / "grid.png", np.full((2, 4, 4, 3), np.nan))
    assert (tmp_path / "grid.png").exists()


def test_no_thread_is_left_between_grids(tmp_path):
    before = set(threading.enumerate())  # not their number: another test's may end meanwhile
    grids = gridwriter.GridWriter()
    grids.write(tmp_path / "grid.png", np.zeros((2, 4, 4, 3)))
    grids.wait()
    for _ in range(100):
        if set(threading.enumerate()) <= before:
            return
        threading.Event().wait(0.05)
    raise AssertionError("a thread that waits would be lost in a fork")
