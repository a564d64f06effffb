"""What the loop leaves behind, and what it watches for."""

import dataclasses
import errno
import os
import re
import tracemalloc

import numpy as np
import pytest

from tinygan.data.split import split
from tinygan.device import open_backend
from tinygan.errors import InputError, NonFiniteError, TinyganError, UsageError
from tinygan.rng import rng_for
from tinygan.runtime import threads
from tinygan.runtime.scratch import release_scratch
from tinygan.training import checkpoint, loop, one_chain, session, stepmemory
from tinygan.training.dryrun import describe
from tinygan.training.feed import latent_codes, learning_rate, preview_codes, to_unit_range
from tinygan.training.loop import Trainer
from tinygan.training.losslog import LossLog
from tinygan.training.options import Options
from tinygan.training.session import build_game
from tinygan.training.status import Status
from tinygan.training.step import Losses
from tinygan.training.stepmemory import resident_memory, step_memory


def test_everything_appears_at_its_interval(tiny_options):
    run = session.start(tiny_options(), ["test"])
    Trainer(run).run()
    assert sorted(path.name for path in run.folder.samples.iterdir()) == [
        "000000.png", "000005.png", "000010.png", "000013.png", "reals.png",
    ]  # fmt: skip
    names = sorted(path.name for path in run.folder.checkpoints.iterdir())
    assert names == ["000010.safetensors", "best.safetensors", "last.safetensors"]
    assert checkpoint.load(run.folder.checkpoints / "000010.safetensors").progress.iteration == 10
    assert checkpoint.load(run.folder.last).progress.iteration == 13


def test_the_log_holds_the_means_of_its_interval(tiny_options, monkeypatch):
    rows = []
    add = LossLog.add

    def noting(self, losses):
        rows.append([float(loss) for loss in losses])
        add(self, losses)

    monkeypatch.setattr(LossLog, "add", noting)
    run = session.start(tiny_options(), ["test"])
    Trainer(run).run()
    first, *_, last = (line for line in run.folder.read_log() if "g" in line)
    # Means of float32 values, taken in float64.
    np.testing.assert_allclose([first[name] for name in Losses._fields], np.mean(rows[:4], axis=0), rtol=1e-12)
    np.testing.assert_allclose([last[name] for name in Losses._fields], rows[12], rtol=1e-12)
    assert first["images_per_second"] > 0
    assert last["seconds"] > first["seconds"] > 0


def test_the_log_is_on_the_disk_before_a_checkpoint_is(tiny_options, monkeypatch):
    """After a power cut no checkpoint is without the lines of its log."""
    run, events = session.start(tiny_options(), ["test"]), []
    monkeypatch.setattr(loop, "sync_path", lambda path, written: events.append(path == written == run.folder.log))
    monkeypatch.setattr(loop.checkpoint, "save", lambda *given: events.append("saved"))
    Trainer(run).run()
    assert events == [True, "saved"] * (len(events) // 2)
    assert events


def test_a_log_that_does_not_come_to_the_disk_is_named(tiny_options, monkeypatch):
    def refused(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    trainer = Trainer(session.start(tiny_options(), ["test"]))
    trainer.run()
    monkeypatch.setattr(os, "fsync", refused)
    with pytest.raises(
        TinyganError, match=r"log.jsonl is written, but may not outlast a power cut: Input/output error"
    ):
        trainer.save(trainer.session.folder.last)


@pytest.mark.parametrize(("column", "network"), [(0, "discriminator"), (1, "discriminator"), (2, "generator")])
def test_a_loss_that_is_not_finite_is_named_with_its_iteration(column, network):
    losses = LossLog(10, np.ones((2, 3), np.float32), open_backend("cpu"))
    values = [np.float32(1)] * 3
    losses.add(Losses(*values))
    values[column] = np.float32("nan")
    losses.add(Losses(*values))
    losses.add(Losses(*[np.float32("inf")] * 3))
    with pytest.raises(NonFiniteError, match=f"the {network}'s loss is not finite at iteration 34"):
        losses.means(iteration=35)


def test_parameters_that_are_not_finite_stop_the_run_before_they_are_saved(tiny_options):
    run = session.start(tiny_options(save_every=1), ["test"])
    trainer = Trainer(run)
    iterate = trainer.iterate

    def poisoned():
        iterate()
        if run.progress.iteration == 2:
            run.game.generator.parameters.flat[3] = np.inf

    trainer.iterate = poisoned
    with pytest.raises(NonFiniteError, match=r"generator .* after iteration 2; the last good .*\(iteration 1\)"):
        trainer.run()
    assert checkpoint.load(run.folder.last).progress.iteration == 1


def test_samples_come_from_evaluation_mode_and_move_no_statistics(tiny_options):
    run = session.start(tiny_options(norm="bn", iterations=2), ["test"])
    trainer = Trainer(run)
    trainer.run()
    G = run.game.generator
    before = G.buffers.flat.copy()
    trainer.save_samples()
    np.testing.assert_array_equal(G.buffers.flat, before)


def test_warm_up(tiny_options):
    options = tiny_options(learning_rate=0.5, warmup=4)
    assert [learning_rate(options, i) for i in (1, 2, 4, 5, 100)] == [0.125, 0.25, 0.5, 0.5, 0.5]
    assert learning_rate(tiny_options(learning_rate=0.5), 1) == 0.5


def test_what_an_iteration_is_fed(tiny_options):
    options = tiny_options()
    codes = latent_codes(options, 3, 2)
    assert codes.shape == (2, 7, 5)
    np.testing.assert_array_equal(codes, latent_codes(options, 3, 2))
    assert not np.isclose(codes, latent_codes(options, 4, 2)).any()
    assert not np.isclose(codes[0], codes[1]).any()
    many = np.concatenate([latent_codes(options, i, 2).ravel() for i in range(1, 1001)])
    # 70,000 draws: the mean is within 4/√70,000 of 0, the variance within 4·√(2/70,000) of 1.
    assert abs(many.mean()) < 0.0152
    assert abs(many.var() - 1) < 0.0214
    assert preview_codes(options).shape == (100, 5)
    images = rng_for(0, "bytes").integers(0, 256, (2, 3, 4, 3)).astype(np.uint8)
    with pytest.raises(InputError, match=r"images as bytes, uint8 .*; found float64 \(2, 3, 4, 3\)"):
        to_unit_range(images / 255, open_backend("cpu"))
    real = to_unit_range(images, open_backend("cpu"))
    assert real.dtype == np.float32
    np.testing.assert_array_equal(np.rint(real * 255), images)
    assert real.max() <= 1


def test_the_running_test_chooses_the_best_checkpoint(tiny_options, monkeypatch):
    losses = iter([0.5, 0.2, 0.3])
    figures = {"std": 0.1, "psnr": 1.0, "z2": 0.0}
    monkeypatch.setattr(loop, "summary", lambda result: {"loss": next(losses), **figures})
    run = session.start(tiny_options(test_every=4), ["test"])
    Trainer(run).run()
    tests = [line for line in run.folder.read_log() if "reconstruction" in line]
    assert [(line["iteration"], line["reconstruction"]["loss"]) for line in tests] == [(4, 0.5), (8, 0.2), (12, 0.3)]
    assert run.progress.best == checkpoint.Best(8, 0.2)
    best = checkpoint.load(run.folder.best)
    assert (best.progress.iteration, best.progress.best) == (8, checkpoint.Best(8, 0.2))


def test_the_running_test_sees_its_own_images_only_and_changes_nothing(tiny_options):
    run = session.start(tiny_options(norm="bn", iterations=2), ["test"])
    trainer = Trainer(run)
    np.testing.assert_array_equal(trainer.test_images, run.images.images[split(48).running])
    trainer.run()
    before = [store.flat.copy() for player in run.game[:2] for store in player.stores().values()]
    trainer.running_test()
    after = [store.flat for player in run.game[:2] for store in player.stores().values()]
    for array, copy in zip(after, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert not run.game.generator.gradients.flat.any()


def test_a_reconstruction_that_is_not_finite_stops_the_run(tiny_options, monkeypatch):
    monkeypatch.setattr(loop, "summary", lambda result: {"loss": float("nan")})
    run = session.start(tiny_options(test_every=4), ["test"])
    with pytest.raises(
        NonFiniteError, match=r"reconstruction loss .* after iteration 4; the last good .*\(iteration 3\)"
    ):
        Trainer(run).run()


def test_no_running_test_when_it_is_off(tiny_options):
    run = session.start(tiny_options(test_every=0), ["test"])
    Trainer(run).run()
    assert not any("reconstruction" in line for line in run.folder.read_log())
    assert not run.folder.best.exists()


def test_a_set_smaller_than_a_batch_is_refused(tiny_options):
    with pytest.raises(UsageError, match=r"--batch-size 44 is larger than the 42 training images"):
        session.start(tiny_options(batch_size=44), ["test"])


def test_held_out_images_are_never_trained_on(tiny_options):
    run = session.start(tiny_options(batch_size=42), ["test"])
    assert len(run.source.indices) == 42  # 48 images less 2 and 4
    assert set(split(48).train) == set(run.source.indices.tolist())


WIDER_RESNET = {"model": "resnet", "d_features": [16, 24, 32], "d_blocks": [1, 2, 1], "schedule": "shared"}


@pytest.mark.parametrize("model", [{"features": 16}, WIDER_RESNET], ids=["dcgan", "resnet"])
@pytest.mark.parametrize("batch", [1, 2, 32])
def test_the_memory_estimate_is_what_a_step_takes(tiny_options, model, batch, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    options = tiny_options(**model, image_size=(32, 32), batch_size=batch)
    run = session.start(options, ["test"])
    per_step = step_memory(options, run.game)
    resident = resident_memory(options, [player.network for player in run.game[:2]], "cpu")
    trainer = Trainer(run)
    trainer.status = Status(0, 2)
    run.workers.context.eagerly = True
    trainer.iterate()
    release_scratch()
    tracemalloc.start()
    trainer.iterate()
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert abs(per_step - used) < 0.1 * used
    assert resident == 4 * sum(3 * player.parameters.flat.size + player.buffers.flat.size for player in run.game[:2])
    # It measures once more, and some objects of Python are counted along: a sum near a half may be rounded either way.
    stated = int(re.search(r"memory of a training step: about (\d+) MiB", describe(options))[1])
    assert abs(stated - (resident + per_step) / 2**20) < 0.6


def test_the_memory_estimate_is_that_of_all_processes(tiny_options, monkeypatch):
    options = tiny_options(batch_size=32)
    game = session.start(options, ["test"]).game
    gradients = sum(player.gradients.flat.nbytes for player in game[:2])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    networks = [player.network for player in game[:2]]
    resident = resident_memory(options, networks, "cpu")
    step_memory(options, game)  # once before, since caches that are filled for good are counted too
    half_step = step_memory(dataclasses.replace(options, batch_size=16), game)
    monkeypatch.setattr(stepmemory, "process_count", lambda batch_shape, device: 2)
    assert resident_memory(options, networks, "cpu") == resident + gradients
    assert step_memory(options, game) == pytest.approx(2 * half_step, rel=0.01)


@pytest.mark.parametrize(("norm", "batch"), [("bn", 16), ("bn", 32), ("wn", 32)])
def test_the_memory_estimate_knows_the_forms_of_the_whole_batch(norm, batch, monkeypatch):
    """At these sizes half of the batch would take another form of the convolutions than the whole."""
    options = Options(norm=norm, batch_size=batch, schedule="shared", device="cpu")
    game = build_game(options, open_backend("cpu"))
    monkeypatch.setattr(stepmemory, "process_count", lambda batch_shape, device: 1)
    estimate = step_memory(options, game)
    monkeypatch.setattr(stepmemory, "FEWEST_IMAGES", batch)  # the whole step is run
    measured = step_memory(options, game)
    assert estimate == pytest.approx(measured, rel=0.1)


@pytest.mark.parametrize("schedule", ["shared", "alternating"])
def test_the_memory_estimate_knows_whether_the_whole_batch_is_small(tiny_options, monkeypatch, schedule):
    """Half of it goes through D together with the real images, the whole does not."""
    options = tiny_options(batch_size=64, image_size=(16, 16), features=16, schedule=schedule)
    game = build_game(options, open_backend("cpu"))
    monkeypatch.setattr(stepmemory, "process_count", lambda batch_shape, device: 1)
    monkeypatch.setattr(one_chain, "SMALL", 40 * 16 * 16 * 3)
    estimate = step_memory(options, game)
    monkeypatch.setattr(stepmemory, "FEWEST_IMAGES", 64)  # the whole step is run
    measured = step_memory(options, game)
    assert estimate == pytest.approx(measured, rel=0.1)


def test_the_memory_is_measured_on_the_threads_of_one_process(tiny_options, monkeypatch):
    options, seen = tiny_options(), []
    game = session.start(options, ["test"]).game
    before = threads.thread_count()
    monkeypatch.setattr(threads, "core_count", lambda: 6)
    monkeypatch.setattr(stepmemory, "process_count", lambda batch_shape, device: 2)
    monkeypatch.setattr(stepmemory, "_peak", lambda options, game, images: seen.append(threads.thread_count()) or 0)
    step_memory(options, game)
    assert set(seen) == {3}
    assert threads.thread_count() == before


def test_a_training_whose_reader_goes_away_is_saved(tiny_options, monkeypatch):
    """As behind ``| head`` or a ``tee`` that was killed."""
    said = []

    def refuse(text):
        said.append(text)
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("tinygan.training.status.say", refuse)
    monkeypatch.setattr("tinygan.training.status.drop_unwritten", lambda: None)
    run = session.start(tiny_options(iterations=100), ["test"])
    with pytest.raises(TinyganError, match=r"takes no more \(Broken pipe\): stopped after iteration 4, .* --resume"):
        Trainer(run).run()
    assert len(said) == 1
    assert checkpoint.load(run.folder.last).progress.iteration == 4
    assert [line["iteration"] for line in run.folder.read_log()] == [4]
