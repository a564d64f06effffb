"""The step shared out among processes against the same step in one."""

import json
import os
import signal
import sys

import numpy as np
import pytest

from tests.liverun import assert_ended, resume, start_training
from tests.training.conftest import log_of
from tinygan.device import open_backend
from tinygan.models.norms import NORMS
from tinygan.rng import rng_for
from tinygan.training import checkpoint, one_chain, session, shards
from tinygan.training import options as training_options
from tinygan.training.loop import Trainer
from tinygan.training.session import build_game
from tinygan.training.shards import sharded_step, training_workers
from tinygan.training.step import SCHEDULES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
STEPS = 3


@pytest.fixture
def processes(monkeypatch):
    """A function that has every batch shared among so many."""
    return lambda count: monkeypatch.setattr(shards, "worker_count", lambda images, device: count)


def trained(options, codes, real):
    """Losses of some steps, and everything that the players hold after them."""
    game = build_game(options, open_backend("cpu", "float64"))
    with training_workers(game, real.shape) as workers:
        losses = [
            sharded_step(workers, options.schedule, real, codes[k], options.learning_rate) for k in range(len(codes))
        ]
    stores = [store.flat for player in game[:2] for store in player.stores().values()]
    gradients = [store.flat for player in game[:2] for store in player.all_gradients]
    return np.array(losses), stores, gradients


# Two and three processes in turn, so that each norm and each schedule is shared among both numbers of them.
@pytest.mark.parametrize(
    ("norm", "schedule", "count"),
    [(norm, how, 2 + (k + n) % 2) for k, norm in enumerate(NORMS) for n, how in enumerate(SCHEDULES)],
)
def test_shards_of_a_batch_learn_what_the_batch_does(tiny_options, processes, norm, schedule, count):
    """7 images do not divide evenly. In float64, so that only a wrong formula could show."""
    options = tiny_options(norm=norm, schedule=schedule, precision="float64", code_size=5)
    rng = rng_for(1, "shards test")
    real = rng.random((7, *options.image_size, 3))
    codes = rng.standard_normal((STEPS, SCHEDULES[schedule].code_batches, 7, 5))
    processes(1)
    losses, stores, _ = trained(options, codes, real)
    processes(count)
    shared_losses, shared_stores, gradients = trained(options, codes, real)
    np.testing.assert_allclose(shared_losses, losses, rtol=1e-9)
    for ours, alone in zip(shared_stores, stores, strict=True):
        np.testing.assert_allclose(ours, alone, rtol=1e-7, atol=1e-11)
    assert len(gradients) == 2 * count
    assert not any(one.any() for one in gradients)  # used up, everybody's


@pytest.mark.parametrize("norm", ["bn", "wn"])
def test_all_processes_decide_alike_whether_d_judges_both_batches_at_once(tiny_options, processes, norm, monkeypatch):
    """Of 7 images one process has 3, which are few here, the other 4; in batch norm they wait for each other."""
    options = tiny_options(norm=norm, schedule="alternating", precision="float64", code_size=5)
    rng = rng_for(1, "shards test")
    real = rng.random((7, *options.image_size, 3))
    codes = rng.standard_normal((STEPS, 2, 7, 5))
    monkeypatch.setattr(one_chain, "SMALL", real[:3].size)
    processes(1)
    losses, _, _ = trained(options, codes, real)
    processes(2)
    np.testing.assert_allclose(trained(options, codes, real)[0], losses, rtol=1e-9)


def state(trainer):
    run = trainer.session
    stores = [store.flat.tobytes() for player in run.game[:2] for store in player.stores().values()]
    return stores, log_of(run.folder)


@pytest.mark.parametrize("norm", ["bn", "wn"])
def test_resume_is_exact_with_as_many_processes(tiny_options, processes, norm):
    processes(2)
    whole = Trainer(session.start(tiny_options(norm=norm), ["test"]))
    whole.run()
    stopped = Trainer(session.start(tiny_options(norm=norm, iterations=8), ["test"]))
    stopped.run()
    stored = checkpoint.load(stopped.session.folder.last)
    resumed = Trainer(session.resume(stored, training_options.resume(stored.options, {"iterations": 13}, ""), ["test"]))
    resumed.run()
    assert state(resumed)[0] == state(whole)[0]
    # The interval that the stop at 8 ended with is no line of its own: 8 is a multiple of the interval, 4.
    assert state(resumed)[1] == state(whole)[1]
    assert any("reconstruction" in line for line in whole.session.folder.read_log())


def test_running_tests_agree_whoever_searches(tiny_options, processes):
    found = []
    for count in (1, 2):
        processes(count)
        trainer = Trainer(session.start(tiny_options(iterations=5, precision="float64"), ["test"]))
        trainer.run()
        found.append([line["reconstruction"] for line in trainer.session.folder.read_log() if "reconstruction" in line])
    assert found[0]
    for alone, together in zip(*found, strict=True):
        assert together == pytest.approx(alone, rel=1e-6)


def test_a_stop_saves_and_leaves_no_process_behind(tmp_path):
    process, folder, children = start_training(tmp_path, cores=2)
    assert len(children) == 1
    process.send_signal(signal.SIGTERM)
    error = process.communicate(timeout=30)[1]
    assert process.returncode == 128 + signal.SIGTERM
    said = error.strip().splitlines()[-1]
    assert said.startswith("stopped by SIGTERM after iteration")
    assert f"--resume {folder}" in said
    assert_ended(*children)
    last = json.loads((folder / "log.jsonl").read_text().splitlines()[-1])
    assert checkpoint.load(folder / "checkpoints" / "last.safetensors").progress.iteration >= last["iteration"]


def test_a_kill_leaves_no_process_behind_and_the_folder_free(tmp_path):
    process, folder, children = start_training(tmp_path, cores=2)
    process.kill()
    process.communicate(timeout=30)
    assert_ended(*children)
    reached = checkpoint.load(folder / "checkpoints" / "last.safetensors").progress.iteration
    resume(folder, reached + 1)


def test_another_process_that_is_killed_is_one_line_and_loses_nothing(tmp_path):
    process, folder, children = start_training(tmp_path, cores=2)
    os.kill(children[0], signal.SIGKILL)
    error = process.communicate(timeout=30)[1]
    assert process.returncode == 1
    assert "Traceback" not in error
    assert "ended (by signal 9)" in error.strip().splitlines()[-1]
    checkpoint.load(folder / "checkpoints" / "last.safetensors")


def test_large_images_are_left_to_threads(monkeypatch):
    monkeypatch.setattr(shards, "worker_count", lambda images, device: 2)
    assert shards.process_count((32, 32, 32, 3), "cpu") == 2
    assert shards.process_count((32, 160, 160, 3), "cpu") == 1
