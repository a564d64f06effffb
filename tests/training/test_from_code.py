"""Training from code: one's own array, in a thread, with a callback and a stop, and with losses of one's own."""

import dataclasses
import json
import re
import threading
from pathlib import Path

import numpy as np
import pytest

from tinygan import ops
from tinygan.errors import TinyganError, UsageError
from tinygan.evaluation.trained import open_run
from tinygan.images import save_png_folder
from tinygan.optim import Adam
from tinygan.training import checkpoint, session
from tinygan.training.loop import Trainer
from tinygan.training.options import Options, flag
from tinygan.training.runfolder import RunFolder
from tinygan.training.step import SCHEDULES


@pytest.fixture
def options(tmp_path):
    sizes = {"features": 4, "code_size": 4, "batch_size": 4, "iterations": 6}
    return Options(**sizes, device="cpu", log_every=2, test_every=3, out=str(tmp_path / "runs"))


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (60, 16, 24, 3), np.uint8)


def test_own_arrays_train_resume_and_draw(options, images):
    current = session.start(options, images=images)
    Trainer(current).run()
    assert current.folder.path.name == "00000-folder-wn"
    assert json.loads(current.folder.config.read_text())["data"]["source"] == "an array of 60 images"
    drawn = np.concatenate(list(open_run(current.folder.path, "best", "cpu").samples(3, seed=0)))
    assert drawn.shape == (3, 16, 24, 3)
    stored = checkpoint.load(current.folder.last)
    longer = session.resume(stored, dataclasses.replace(stored.options, iterations=8), images=images)
    Trainer(longer).run()
    assert longer.progress.iteration == 8


@pytest.mark.parametrize(
    "wrong", [np.zeros((40, 16, 16, 3)), np.zeros((40, 16, 16), np.uint8), [[[1, 2, 3]]], "photos"]
)
def test_what_is_no_image_array_is_refused(options, wrong):
    with pytest.raises(UsageError, match=r"images is .*: give uint8 \(N, H, W, 3\)"):
        session.start(options, images=wrong)


def test_numbers_of_another_type_are_shown_as_what_they_are():
    for wrong, words in (
        ({"features": "32"}, "--features is '32': give a whole number"),
        ({"features": np.float64(32)}, r"--features is 32.0: give a whole number"),
        ({"image_size": 32}, r"--image-size is 32: give .* each way, as \(32, 32\)"),
    ):
        with pytest.raises(UsageError, match=words):
            Options(**wrong)


def test_a_run_on_an_array_goes_on_with_its_images_as_files(options, images, tmp_path):
    current = session.start(options, images=images)
    Trainer(current).run()
    stored = checkpoint.load(current.folder.last)
    with pytest.raises(UsageError, match="for a run that was trained on an array, its images as PNG files"):
        session.resume(stored, stored.options)
    save_png_folder(tmp_path / "png", images)
    assert np.array_equal(open_run(current.folder.path, "best", "cpu").load_images(tmp_path / "png").images, images)


def test_odd_sides_are_refused(options):
    with pytest.raises(UsageError, match="must be even"):
        session.start(options, images=np.zeros((40, 15, 16, 3), np.uint8))


def test_a_thread_trains_and_is_stopped_from_outside(options, images):
    """No signal handler is set there; what was trained until the stop is saved."""
    endless = dataclasses.replace(options, iterations=999_999)
    trainer, failed, begun = Trainer(session.start(endless, images=images)), [], threading.Event()
    trainer.after_iteration = begun.set

    def run():
        try:
            trainer.run()
        except Exception as error:  # a thread's own would only be printed
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(60)
    trainer.stop()
    thread.join(60)
    assert (failed, thread.is_alive()) == ([], False)
    assert checkpoint.load(trainer.session.folder.last).progress.iteration == trainer.progress.iteration > 0


def test_losses_of_ones_own_are_a_pair(options, images):
    """Hinge and Wasserstein, D's and G's two lines each, as docs/own-layer.md has them."""
    text = (Path(session.__file__).parents[2] / "docs" / "own-layer.md").read_text()
    scope = {"np": np, "__name__": "docs"}
    exec(re.search("    def hinge_d.*?(?=\n\n[A-Z`])", text, re.S)[0].replace("\n    ", "\n").strip(), scope)
    for kind in ("hinge", "wasserstein"):
        d_loss, g_loss = scope[f"{kind}_d"], scope[f"{kind}_g"]
        logits = np.array([-2.0, -0.3, 0.4, 3.0])
        for loss, targets in ((d_loss, (0, 1)), (g_loss, ())):
            for arguments in [(target,) for target in targets] or [()]:
                _, gradient = loss(logits, *arguments)
                step = 1e-6 * np.eye(4)
                slopes = [(loss(logits + h, *arguments)[0] - loss(logits - h, *arguments)[0]) / 2e-6 for h in step]
                assert gradient == pytest.approx(slopes)
                assert loss(logits.astype(np.float32), *arguments)[1].dtype == np.float32
        for schedule in SCHEDULES.values():
            current = session.start(options, images=images)
            game = current.game._replace(loss=(d_loss, g_loss))
            codes = np.random.default_rng(0).standard_normal((schedule.code_batches, 4, 4)).astype(np.float32)
            real = images[:4].astype(np.float32) / 255
            before = game.generator.parameters.flat.copy()
            assert np.isfinite(schedule.step(game, real, codes, 1e-3)).all()
            assert not np.array_equal(before, game.generator.parameters.flat)


def test_a_trainer_that_was_stopped_goes_on(options, images):
    trainer = Trainer(session.start(options, images=images))
    trainer.after_iteration = lambda: trainer.progress.iteration == 2 and trainer.stop()
    trainer.run()
    assert trainer.progress.iteration == 2
    seen = []
    trainer.after_iteration = lambda: seen.append(taken(trainer.session.folder.path))
    trainer.run()
    assert (trainer.progress.iteration, seen) == (6, [True] * 4)
    assert not taken(trainer.session.folder.path)


def taken(path):
    """Whether somebody trains in the folder."""
    other = RunFolder(path)
    try:
        other.lock()
    except TinyganError:
        return True
    other.unlock()
    return False


def test_each_session_runs_on_the_operations_of_its_options(options, images):
    formulas = session.start(dataclasses.replace(options, ops="reference"), images=images)
    fast, seen = session.start(options, images=images), []
    for current in (formulas, fast):
        trainer = Trainer(current)
        trainer.after_iteration = lambda: seen.append(ops.implementation())
        trainer.run()
    assert seen == ["reference"] * 6 + ["fast"] * 6


def test_what_may_not_change_on_resuming_is_refused_from_code_too(options, images):
    current = session.start(options, images=images)
    Trainer(current).run()
    stored = checkpoint.load(current.folder.last)
    for changed in ({"batch_size": 5}, {"seed": 9}, {"image_size": (32, 32)}):
        with pytest.raises(UsageError, match=f"{flag(next(iter(changed)))} .* does not fit .*: leave it out"):
            session.resume(stored, dataclasses.replace(stored.options, **changed), images=images)


def test_another_optimiser_is_refused_before_a_checkpoint_lacks_it(options, images):
    current = session.start(options, images=images)
    current.game.generator.optimiser = Adam(current.game.generator.parameters)
    with pytest.raises(UsageError, match="checkpoints hold RMSProp's average"):
        Trainer(current).run()
