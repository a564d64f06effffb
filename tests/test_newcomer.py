"""What a newcomer gets wrong first: each is one line that names the thing and what to write instead."""

import json
import re

import numpy as np
import pytest

from tinygan import Game, Layer, Player, initialise, load_generator, open_backend, rng_for
from tinygan.errors import InputError, TinyganError, UsageError
from tinygan.layers import Conv2d, ConvTranspose2d, Linear, ReLU, Sequential
from tinygan.losses import binary_cross_entropy, least_squares
from tinygan.models import build_networks
from tinygan.reconstruction import OPTIMISERS
from tinygan.training.own_model import build_own, check_shapes
from tinygan.training.step import SCHEDULES


def says(error: type[Exception], pattern: str):
    return pytest.raises(error, match=rf"\A(?!.*\n){pattern}")


@pytest.mark.parametrize("x", [[[1.0, 2.0]], 3.5, None], ids=["list", "number", "nothing"])
@pytest.mark.parametrize("layer", [Linear(2, 3), ReLU(), Sequential([Linear(2, 3)])], ids=repr)
def test_what_is_no_array(layer, x):
    initialise(layer, np.random.default_rng(0))
    with says(InputError, rf"layer .*: expected floats .*; found a {type(x).__name__}: give an array, as np.asarray"):
        layer(x)


def test_a_layer_that_stands_in_two_places():
    shared = Linear(2, 2)
    with says(UsageError, "layer Linear is in the network twice, the second time at '2nd': make one for each place"):
        initialise(Sequential({"first": shared, "act": ReLU(), "2nd": shared}), np.random.default_rng(0))


def test_two_arrays_of_one_name():
    twice = Sequential({"a": Sequential({"b": Linear(2, 2)}), "a.b": Linear(2, 2)})
    with says(UsageError, "two arrays of the network would be called 'a.b.w': give their layers other names"):
        initialise(twice, np.random.default_rng(0))


class Forgetful(Layer):
    """Its constructor does not call that of Layer."""

    def __init__(self, declares: bool):
        if declares:
            self.parameter("beta", (3,), lambda rng, shape: np.ones(shape))


def test_a_forgotten_call_of_the_base_class():
    for forgetful in (lambda: Forgetful(True), lambda: initialise(Forgetful(False), np.random.default_rng(0))):
        with says(AttributeError, r"Forgetful has no '\w+': call super\(\).__init__\(\) first in __init__"):
            forgetful()


@pytest.mark.parametrize("loss", [binary_cross_entropy, least_squares])
@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.int32])
def test_a_target_of_numpys_is_a_target(loss, kind):
    logits = np.array([0.3, -2.0], np.float32)
    for target in (0, 1):
        value, gradient = loss(logits, kind(target))
        assert value == loss(logits, target)[0]
        assert gradient.dtype == np.float32
    with says(InputError, r"\w+: expected target 1 for real or 0 for generated; found"):
        loss(logits, kind(2))


@pytest.mark.parametrize("layer", [Conv2d, ConvTranspose2d])
@pytest.mark.parametrize("wrong", [{"stride": 0}, {"stride": (2, -1)}, {"pad": -1}], ids=str)
def test_a_window_that_does_not_move(layer, wrong):
    with says(UsageError, "kernel .*, stride .*, pad .*: strides must be at least 1, and pads at least 0"):
        layer(3, 4, 3, **wrong)


@pytest.mark.parametrize("build", [lambda: Linear(0, 3), lambda: Conv2d(3, 0, 3), lambda: ConvTranspose2d(3, 4, 0)])
def test_nothing_to_multiply(build):
    with says(UsageError, r"a weight of shape \(.*\): channels and kernel must be at least 1"):
        build()


@pytest.fixture
def players():
    G, D = build_networks((8, 8), 5, "wn", features=4)
    return tuple(Player(one, rng_for(0, "newcomer"), open_backend("cpu")) for one in (G, D))


def step(schedule: str, game: Game, codes: np.ndarray) -> None:
    SCHEDULES[schedule].step(game, np.full((3, 8, 8, 3), 0.5, np.float32), codes.astype(np.float32), 1e-3)


@pytest.mark.parametrize("schedule", ["alternating", "shared"])
def test_players_and_codes_that_do_not_fit(players, schedule):
    G, D = players
    codes = np.ones((SCHEDULES[schedule].code_batches, 3, 5))
    step(schedule, Game(G, D), codes)
    remedy = rf"a Game is \(generator, discriminator\), and codes are \({len(codes)}, N, Z\)"
    for game, wrong in ((Game(D, G), codes), (Game(G, D), codes[..., 1:])):
        with says(InputError, rf"layer .*: expected .*; found .*: {remedy}"):
            step(schedule, game, wrong)
    for wrong in (codes[0], codes[1:]):
        with says(InputError, rf"expected codes \({len(codes)}, N, Z\); found float32 {re.escape(str(wrong.shape))}"):
            step(schedule, Game(G, D), wrong)


@pytest.mark.parametrize("schedule", ["alternating", "shared"])
def test_lists_of_images_and_of_codes(players, schedule):
    codes = np.ones((SCHEDULES[schedule].code_batches, 3, 5), np.float32)
    real = np.full((3, 8, 8, 3), 0.5, np.float32)
    for given in ((real.tolist(), codes), (real, codes.tolist())):
        with says(InputError, r".*found .*a list: give an array, as np\.asarray|.*differ, .*a list: give an array"):
            SCHEDULES[schedule].step(Game(*players), *given, 1e-3)


def test_unknown_names(players):
    with says(UsageError, r"unknown schedule 'shard' \(did you mean shared\?\): choose one of alternating, shared"):
        SCHEDULES["shard"]
    with says(UsageError, r"unknown loss 'bse' \(did you mean bce\?\): choose one of bce, least-squares"):
        step("shared", Game(*players, loss="bse"), np.ones((1, 3, 5)))
    with says(UsageError, r"unknown optimiser 'sgd': choose one of rmsprop, adam"):
        OPTIMISERS["sgd"]


def test_networks_of_ones_own_in_another_form(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_networks.py").write_text(
        "def alone(**wanted): return None\n"
        "def swapped(**wanted):\n"
        "    from tinygan.models import build_networks\n"
        "    return build_networks(wanted['image_size'], wanted['code_size'], 'wn', 4)[::-1]\n"
    )
    with says(UsageError, r"--model own_networks:alone returned None: return two layers, \(G, D\)"):
        build_own("own_networks:alone", (8, 8), 5, 4, "wn")
    G, D = build_own("own_networks:swapped", (8, 8), 5, 4, "wn")
    for one in (G, D):
        initialise(one, np.random.default_rng(0))
    with says(UsageError, r"--model own_networks:swapped: layer .*: expected .*; found .*: return \(G, D\), G first"):
        check_shapes("own_networks:swapped", G, D, np.zeros((1, 5), np.float32), (8, 8))


def test_a_checkpoint_by_its_number(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"options": {"norm": "wn"}}))
    with says(TinyganError, r".* has no checkpoint '020000'; there are: none yet"):
        load_generator(tmp_path, 20_000)
