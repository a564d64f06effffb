"""The recorded step against the step as it stands, to the bit, and when it is not recorded."""

import sys
import threading

import numpy as np
import pytest

from tests.training.conftest import TINY_RESNET
from tinygan import ops
from tinygan.device import open_backend
from tinygan.layers import Conv2d, Linear, ReLU, Reshape, Sequential, Sigmoid, WeightNorm
from tinygan.models.norms import NORMS
from tinygan.optim import RMSProp
from tinygan.rng import rng_for
from tinygan.runtime import arena, threads
from tinygan.runtime.recording import Recording
from tinygan.runtime.scratch import _scratch, scratch
from tinygan.training import recorded_step, shards
from tinygan.training.player import Player
from tinygan.training.session import build_game
from tinygan.training.shards import sharded_step, training_workers
from tinygan.training.step import SCHEDULES

STEPS = 4


@pytest.fixture(autouse=True)
def one_thread():
    before = threads.thread_count()
    threads.use_all_cores(1)
    yield
    threads.use_all_cores(before)


def inputs(options, images, seed=1):
    rng = rng_for(seed, "recorded step test")
    real = rng.random((STEPS, images, *options.image_size, 3), np.float32)
    codes = rng.standard_normal((STEPS, SCHEDULES[options.schedule].code_batches, images, options.code_size))
    return real, codes.astype(np.float32)


def known(game, *_):
    """In a rank: of how many calls its recording is."""
    return 0 if game.recorded is None else len(game.recorded[1].calls)


def trained(options, eagerly, images=7):
    """Losses and state after some steps at a rising learning rate, and the recorded calls of each rank."""
    game = build_game(options, open_backend("cpu"))
    with np.errstate(all="ignore"), training_workers(game, (images, *options.image_size, 3)) as workers:
        threads.use_all_cores(1)
        workers.run(set_eagerly, [(eagerly,)] * workers.size)
        losses = [
            sharded_step(workers, options.schedule, real, codes, 1e-3 * k)
            for k, (real, codes) in enumerate(zip(*inputs(options, images), strict=True))
        ]
        calls = workers.run(known, [()] * workers.size)
    return np.array(losses), [store.flat for player in game[:2] for store in player.stores().values()], calls


def set_eagerly(game, eagerly):
    game.eagerly = eagerly


MODELS = {"dcgan": {}, "resnet": TINY_RESNET, "least squares": {"loss": "least-squares", "features": 16}}


# One process and two in turn: each model, norm and schedule, and each two of these, with both.
@pytest.mark.parametrize(
    ("model", "norm", "schedule", "count"),
    [
        (model, norm, schedule, 1 + (m + n + s) % 2)
        for m, model in enumerate(MODELS)
        for n, norm in enumerate(NORMS)
        for s, schedule in enumerate(SCHEDULES)
    ],
)
def test_the_same_bits(tiny_options, monkeypatch, model, norm, schedule, count):
    if count > 1 and sys.platform != "linux":
        pytest.skip("processes are forked on Linux only")
    monkeypatch.setattr(shards, "worker_count", lambda images, device: count)
    options = tiny_options(norm=norm, schedule=schedule, **MODELS[model])
    losses, stores, calls = trained(options, eagerly=True)
    recorded_losses, recorded_stores, recorded_calls = trained(options, eagerly=False)
    assert calls == [0] * count
    assert min(recorded_calls) > 100
    np.testing.assert_array_equal(recorded_losses, losses)
    for ours, eager in zip(recorded_stores, stores, strict=True):
        np.testing.assert_array_equal(ours, eager)


@pytest.fixture
def alone(monkeypatch, tiny_options):
    """A group of this process alone with a tiny game, and a function that makes a step of it."""
    monkeypatch.setattr(shards, "worker_count", lambda images, device: 1)
    options = tiny_options(norm="wn")
    game = build_game(options, open_backend("cpu"))
    workers = training_workers(game, (7, *options.image_size, 3))
    threads.use_all_cores(1)  # opening the backend may have taken all

    def step(images=7, seed=1, change=lambda real, codes: None):
        real, codes = (one[0] for one in inputs(options, images, seed))
        change(real, codes)
        with np.errstate(all="ignore"):
            return sharded_step(workers, options.schedule, real, codes, 1e-3)

    return workers.context, step


@pytest.mark.parametrize("name", ["decay", "epsilon"])
def test_another_setting_of_an_optimiser_is_recorded_anew(alone, name):
    game, step = alone
    step()
    first = game.recorded
    setattr(game.generator.optimiser, name, 0.5)
    step()
    assert game.recorded is not first


def test_another_batch_is_recorded_anew(alone):
    game, step = alone
    step()
    first = game.recorded[1]
    step()
    assert game.recorded[1] is first
    step(images=5)
    assert game.recorded[1] is not first


def test_players_hold_plain_arrays_afterwards(alone):
    game, step = alone
    step()
    for player in game[:2]:
        arrays = [player.parameters.flat, player.gradients.flat, *player.parameters.values(), *player.buffers.values()]
        arrays += [value for layer in player.network.walk() for value in vars(layer).values()]
        assert not [one for one in arrays if isinstance(one, np.ndarray) and type(one) is not np.ndarray]


@pytest.mark.parametrize(
    "why", ["threads", "formulas", "a layer", "an optimiser", "another thread records", "no address space"]
)
def test_elsewhere_the_step_runs_as_it_stands(alone, monkeypatch, why):
    game, step = alone
    if why == "threads":
        threads.use_all_cores(2)
    elif why == "formulas":
        monkeypatch.setattr(ops.dispatch, "_host", ops.dispatch._REFERENCE[0])
    elif why == "no address space":
        monkeypatch.setattr(arena.mmap, "mmap", lambda *_: (_ for _ in ()).throw(OSError("no")))
    elif why == "another thread records":
        monkeypatch.setattr(recorded_step, "_recording", lock := threading.Lock())
        lock.acquire()
    elif why == "an optimiser":
        game.discriminator.optimiser = type("Own", (RMSProp,), {})(game.discriminator.parameters)
    else:
        game.discriminator.network.child("own", type("Own", (ReLU,), {})())
    assert np.isfinite(step()).all()
    assert game.recorded is None


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_loss_of_ones_own_is_asked_in_every_step(tiny_options, monkeypatch, schedule):
    """Nobody knows whether it does the same each time; and much of NumPy, ``full_like`` say, cannot be recorded."""
    monkeypatch.setattr(shards, "worker_count", lambda images, device: 1)
    options, asked = tiny_options(norm="wn", schedule=schedule), []

    def d_loss(logits, target):
        asked.append(target)
        return logits.mean(), np.full_like(logits, 1 / len(logits))

    def g_loss(logits):
        return -logits.mean(), np.full_like(logits, -1 / len(logits))

    game = build_game(options, open_backend("cpu"))._replace(loss=(d_loss, g_loss))
    workers = training_workers(game, (7, *options.image_size, 3))
    threads.use_all_cores(1)
    for real, codes in zip(*inputs(options, 7), strict=True):
        sharded_step(workers, schedule, real, codes, 1e-3)
    assert sorted(asked) == [0] * STEPS + [1] * STEPS


def test_another_thread_may_draw_samples_meanwhile(alone):
    game, step = alone
    codes, drawn, begun, stop = np.ones((3, 5), np.float32), [], threading.Event(), threading.Event()

    def draw():
        while not stop.is_set():
            drawn.append(game.generator.network(codes)[0])
            begun.set()

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        assert begun.wait(60)
        for images in (7, 5, 6, 7):
            assert np.isfinite(step(images)).all()
    finally:
        stop.set()
        thread.join()
    assert {type(images) for images in drawn} == {np.ndarray}


def test_what_is_not_finite_is_seen_in_a_replayed_step(alone):
    _, step = alone
    step()

    def spoil(real, codes):
        real[0, 0, 0, 0] = np.nan

    assert not np.isfinite(step(change=spoil).d_real)


def test_an_infinite_input_of_a_rectifier_is_replayed_as_its_definition():
    """There the short form gives ∞ − ∞: which of the two is taken is decided in each run."""
    recording, values = Recording(), np.array([[-2, -1, 0, 1]], np.float32)
    x = recording.new(values, np.float32)
    y = recording.make(lambda x: ops.rectify(x, 0.0, 0.0), x)
    recording.plain(x)[0, 1:] = -np.inf
    recording.run()
    np.testing.assert_array_equal(y, [[0, 0, 0, 0]])


def test_scratch_memory_is_not_the_recordings(alone):
    """A thread's block is made anew at the first task after one that wanted more, and that task may be recorded."""
    _, step = alone
    step()
    size = _scratch.most + 2**20
    threads.run([lambda: scratch((size,), np.uint8)])  # from the next task on there is a larger block
    step(images=5)
    found = []
    threads.run([lambda: found.append(scratch((size,), np.uint8))])
    assert type(found[0]) is np.ndarray


class Noisy(Conv2d):
    """Its own way with the weight, at each pass another."""

    passes = 0

    def apply_weight(self, x, w, b=None, frozen=None):
        Noisy.passes += 1
        return super().apply_weight(x, w, b, frozen)


def test_a_layer_of_ones_own_within_weight_norm_is_not_recorded(monkeypatch, tiny_options):
    rng, backend = np.random.default_rng(0), open_backend("cpu")
    G = Sequential([Linear(6, 8 * 8 * 3), Reshape((8, 8, 3)), Sigmoid()])
    D = Sequential([WeightNorm(Noisy(3, 4, 4, 2, 1)), ReLU(), Conv2d(4, 1, 4), Reshape(())])
    game = recorded_step.RecordedGame(Player(G, rng, backend), Player(D, rng, backend), "bce")
    threads.use_all_cores(1)
    passes = []
    for _ in range(3):
        before = Noisy.passes
        real, codes = rng.random((2, 8, 8, 3), np.float32), rng.standard_normal((2, 2, 6)).astype(np.float32)
        game.step("alternating", 1.0, real, codes, 1e-3)
        passes.append(Noisy.passes - before)
    assert passes[0] == passes[1] == passes[2] > 0
