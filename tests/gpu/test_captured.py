"""The captured iteration gives the same bytes as the same iteration operation by operation, whatever comes between.

On the stand-in for CUDA, and on the device where there is one.
"""

import gc
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.training.conftest import TINY_RESNET, log_of, tiny_data, tiny_options  # noqa: F401 (fixtures)
from tinygan.data import devicebatches
from tinygan.errors import NonFiniteError, run_script
from tinygan.layers import ReLU
from tinygan.losses import binary_cross_entropy
from tinygan.models.norms import NORMS
from tinygan.reconstruction import Search
from tinygan.runtime import graph
from tinygan.training import checkpoint, feed, iteration, loop, ranks, session
from tinygan.training import options as training_options
from tinygan.training.iteration import eager_iteration
from tinygan.training.loop import Trainer
from tinygan.training.step import SCHEDULES

ITERATIONS = 9  # the second epoch of 42 images in batches of 7 begins, two log lines and a rest, a running test


@pytest.fixture
def gpu_options(tiny_options, xp, monkeypatch):  # noqa: F811
    """Options of a tiny run on the GPU, with everything that may come between two iterations."""
    monkeypatch.setattr(loop, "Search", lambda: Search(steps=3))
    monkeypatch.setattr(feed, "PREVIEW_COUNT", 8)
    return lambda **changes: tiny_options(**{"device": "gpu", "warmup": 5, "iterations": ITERATIONS} | changes)


def train(options):
    """Train from the start; returns the finished trainer."""
    trainer = Trainer(session.start(options, ["test"]))
    trainer.run()
    return trainer


def state(trainer) -> dict:
    """Everything that a checkpoint holds, and the log without its times."""
    folder = trainer.session.folder
    return checkpoint.load(folder.last).tensors | {"log": np.array(repr(log_of(folder)))}


def assert_same(one: dict, other: dict) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


def eagerly(monkeypatch):
    """Have the loop take the iteration that is not captured."""
    monkeypatch.setattr(ranks, "iteration_of", lambda session, losses, note: eager_iteration(session, losses))


@pytest.mark.parametrize(("schedule", "loss"), [("alternating", "bce"), ("shared", "least-squares")])
@pytest.mark.parametrize("norm", NORMS)
def test_captured_and_eager_give_the_same_bytes(gpu_options, norm, schedule, loss, monkeypatch, capsys):
    options = gpu_options(norm=norm, schedule=schedule, loss=loss)
    captured = train(options)
    assert captured.iteration.replay.captured
    assert "captured" not in capsys.readouterr().out
    eagerly(monkeypatch)
    assert_same(state(captured), state(train(options)))


@pytest.mark.parametrize(("norm", "schedule"), list(zip(NORMS, [*SCHEDULES, *SCHEDULES], strict=True)))
def test_a_residual_network_too(gpu_options, norm, schedule, monkeypatch, capsys):
    monkeypatch.setattr(feed, "PREVIEW_COUNT", 2)
    few = {"iterations": graph.WARM_UPS + 2, "test_every": 0, "sample_every": 100, "batch_size": 2}
    options = gpu_options(**TINY_RESNET, norm=norm, schedule=schedule, **few)
    captured = train(options)
    assert captured.iteration.replay.captured
    eagerly(monkeypatch)
    assert_same(state(captured), state(train(options)))


def test_one_launch_per_iteration_and_nothing_waits_but_what_is_due(gpu_options, xp):
    trainer = Trainer(session.start(gpu_options(iterations=100), ["test"]))
    if not hasattr(xp, "stand_in"):
        pytest.skip("the device does not count: seen on the stand-in")
    for number in range(1, graph.WARM_UPS + 2):
        trainer.iteration(number, 1e-3)
    waits = xp.stand_in.device.synchronisations
    for number in range(graph.WARM_UPS + 2, 20):
        trainer.losses.clear()
        trainer.iteration(number, 1e-3)
    assert trainer.iteration.replay.graph.launches == 19 - graph.WARM_UPS
    assert xp.stand_in.device.synchronisations == waits
    trainer.losses.means(19)
    assert xp.stand_in.device.synchronisations == waits + 1


def test_parameters_stay_where_they_are(gpu_options):
    trainer = Trainer(session.start(gpu_options(), ["test"]))

    def addresses():
        game = trainer.session.game
        stores = [store for player in game[:2] for store in (*player.stores().values(), player.gradients)]
        views = [view for store in stores for view in store.values()]
        given = trainer.iteration.inputs.arrays.values()
        return [array.data.ptr for array in (*(store.flat for store in stores), *views, *given, trainer.losses.rows)]

    before = addresses()
    trainer.run()
    assert addresses() == before


@pytest.mark.parametrize("schedule", ["alternating", "shared"])
def test_resume_in_the_middle_of_everything(gpu_options, schedule):
    whole = train(gpu_options(schedule=schedule))
    options = gpu_options(schedule=schedule, iterations=5)
    stopped = train(options)
    stored = checkpoint.load(stopped.session.folder.last)
    resumed = Trainer(
        session.resume(stored, training_options.resume(options, {"iterations": ITERATIONS}, ""), ["test"])
    )
    resumed.run()
    assert resumed.iteration.replay.captured
    ours, theirs = state(resumed), state(whole)
    # The log of the stopped run has one line more: the interval that its end cut short.
    ours.pop("log"), theirs.pop("log")
    assert_same(ours, theirs)


def test_a_data_set_too_large_for_the_device_is_sent_batch_by_batch(gpu_options, monkeypatch):
    options = gpu_options()
    resident = train(options)
    assert resident.iteration.resident
    monkeypatch.setattr(devicebatches, "SHARE", 0.0)
    sent = train(options)
    assert not sent.iteration.resident
    assert_same(state(resident), state(sent))


def forbidden(trainer):
    """Add to the captured work something that CuPy refuses during a capture."""
    work = trainer.iteration.replay.work

    def with_a_wait():
        work()
        trainer.losses.rows.get()

    trainer.iteration.replay.work = with_a_wait


def test_what_cannot_be_captured_runs_eagerly_and_says_so_once(gpu_options, monkeypatch, capsys):
    trainer = Trainer(session.start(gpu_options(), ["test"]))
    forbidden(trainer)
    trainer.run()
    assert not trainer.iteration.replay.captured
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "captured" in line]
    assert re.fullmatch(r"the step cannot be captured as a CUDA graph \(.*captur.*\): it runs launch by .*", line)
    eagerly(monkeypatch)
    assert_same(state(trainer), state(train(gpu_options())))


def test_a_loss_that_is_not_finite_is_found_behind_the_graph(gpu_options):
    trainer = Trainer(session.start(gpu_options(save_every=100, test_every=0, sample_every=100), ["test"]))
    iterate = trainer.iterate

    def poisoned():
        if trainer.progress.iteration == 6:
            trainer.session.game.generator.parameters.flat.fill(np.nan)
        iterate()

    trainer.iterate = poisoned
    with pytest.raises(NonFiniteError, match="loss is not finite at iteration 7"):
        trainer.run()


def test_a_finished_run_gives_its_memory_back(gpu_options, xp):
    """Several runs of one process, as the experiments train them."""
    if not hasattr(xp, "stand_in"):
        pytest.skip("it counts the stand-in's bytes")
    memory, used = xp.stand_in.device.memory, []
    for _ in range(3):
        train(gpu_options())
        gc.collect()
        xp.get_default_memory_pool().free_all_blocks()
        used.append(memory.used)
    assert used[2] == used[1]


def test_codes_are_drawn_while_the_device_computes(gpu_options, monkeypatch):
    threads, draw = [], iteration.latent_codes
    monkeypatch.setattr(
        iteration, "latent_codes", lambda *arguments: threads.append(threading.current_thread()) or draw(*arguments)
    )
    train(gpu_options())
    assert threads[0] is threading.main_thread()
    assert len(threads) > ITERATIONS - 1
    assert threading.main_thread() not in threads[1:]


@pytest.mark.parametrize("typed", ["", "--batch-size 90"])
def test_a_device_that_is_full_is_one_line_with_what_helps(gpu_options, xp, capsys, typed):
    """The usual batch may be too large for a small device, although nothing large was typed."""
    if not hasattr(xp, "stand_in"):
        pytest.skip("it counts the stand-in's bytes")
    trainer = Trainer(session.start(gpu_options(), ["test"]))
    memory = xp.stand_in.device.memory

    def main(arguments):
        memory.limit = memory.used + 100_000
        trainer.run()

    assert run_script(main, typed.split()) == 1
    helps = typed or f"--batch-size {trainer.options.batch_size}"
    line = capsys.readouterr().err
    assert re.fullmatch(rf"error: not enough memory \(Out of memory alloc[^\n]*\): give less than {helps}\n", line)


def test_losses_of_ones_own_are_asked_in_every_iteration(gpu_options):
    """Nobody knows whether they do the same each time, so nothing is captured."""
    asked = []

    def d_loss(logits, target):
        asked.append(target)
        return binary_cross_entropy(logits, target)

    current = session.start(gpu_options(test_every=0), ["test"])
    current.game = current.game._replace(loss=(d_loss, lambda logits: d_loss(logits, 1)))
    Trainer(current).run()
    assert len(asked) == 3 * ITERATIONS


def test_layers_of_ones_own_are_asked_in_every_iteration(gpu_options):
    """A number that such a layer draws would be the same in every launch of a graph."""
    asked = []

    class Own(ReLU):
        def __call__(self, x, training=False):
            asked.append(training)
            return super().__call__(x, training)

    current = session.start(gpu_options(test_every=0, sample_every=99, schedule="shared"), ["test"])
    current.game.generator.network.children["linear_act"].__class__ = Own
    Trainer(current).run()
    assert sum(asked) == ITERATIONS


def test_a_thread_of_ones_own_trains(gpu_options):
    """CuPy's current stream is each thread's own."""
    trainer = Trainer(session.start(gpu_options(), ["test"]))
    with ThreadPoolExecutor(1) as thread:
        trainer.after_iteration = lambda: trainer.progress.iteration == 6 and trainer.stop()
        thread.submit(trainer.run).result()
        assert trainer.iteration.replay.captured
    with ThreadPoolExecutor(1) as thread:
        thread.submit(trainer.run).result()
    assert trainer.iteration.replay.captured
    assert_same(state(trainer), state(train(gpu_options())))


def test_a_trainer_that_was_stopped_goes_on_with_a_step_of_its_own(gpu_options):
    trainer = Trainer(session.start(gpu_options(test_every=0), ["test"]))
    trainer.after_iteration = lambda: trainer.progress.iteration == 6 and trainer.stop()
    trainer.run()
    first = trainer.iteration
    trainer.run()
    assert trainer.progress.iteration == ITERATIONS
    assert trainer.iteration is not first
    assert trainer.iteration.replay.captured
