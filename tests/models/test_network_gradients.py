"""Whole small networks, end to end through the losses, against finite differences."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest

from tests.layers.cases import prepare
from tinygan.differences import STEPS, directional_derivative
from tinygan.gradcheck import TOLERANCE
from tinygan.layers import Sequential
from tinygan.losses import ADVERSARIAL_LOSSES
from tinygan.models import dcgan, resnet
from tinygan.models.norms import NORMS
from tinygan.parameters import Parameters
from tinygan.rng import rng_for

SIZE, CODE = (12, 18), 5  # 18: the rule of the extra padding, on one axis only
LEVELS = [3, 4], [1, 2]  # the ResNet's channels and blocks: some blocks keep size and channels
BUILD = {
    "dcgan": {
        "G": lambda norm: dcgan.generator(SIZE, CODE, 3, norm),
        "D": lambda norm: dcgan.discriminator(SIZE, 3, norm),
    },
    "resnet": {
        "G": lambda norm: resnet.generator(SIZE, CODE, *LEVELS, norm),
        "D": lambda norm: resnet.discriminator(SIZE, *LEVELS, norm),
    },
    # From 8 channels on convolutions are of tiles.
    "wide dcgan": {
        "G": lambda norm: dcgan.generator(SIZE, CODE, 8, norm),
        "D": lambda norm: dcgan.discriminator(SIZE, 8, norm),
    },
    "wide resnet": {
        "G": lambda norm: resnet.generator(SIZE, CODE, (8, 9), (1, 1), norm),
        "D": lambda norm: resnet.discriminator(SIZE, (8, 9), (1, 1), norm),
    },
}

every_norm = pytest.mark.parametrize("norm", NORMS)
both_models = pytest.mark.parametrize("model", BUILD)
BATCH = {"dcgan": 3, "resnet": 3, "wide dcgan": 1, "wide resnet": 3}
# What a loss gives the last layer is tested with the losses: here each of its gradients stands with each norm and model
# once, not in all combinations.
LOSSES = list(itertools.product(ADVERSARIAL_LOSSES, (0, 1)))
WITH_A_LOSS = [
    (model, norm, *LOSSES[(m + n) % len(LOSSES)]) for m, model in enumerate(BUILD) for n, norm in enumerate(NORMS)
]


def network(model: str, which: str, norm: str, seed: int = 0) -> tuple[Sequential, Parameters]:
    """G or D in float64 with random parameters; plain weights are scaled so that the logits stay moderate."""
    built = BUILD[model][which](norm)
    parameters = prepare(built, seed=seed)
    for value in parameters.values():
        if value.ndim > 1 and norm in ("none", "bn"):
            value /= np.sqrt(value.size / value.shape[-1])
    return built, parameters


def assert_gradient(name: str, value: np.ndarray, gradient: np.ndarray, loss: Callable[[], float]) -> None:
    """Compare with differences along a random direction, over smaller steps where a rectifier crosses its kink."""
    for step in STEPS:
        direction = rng_for(0, name).standard_normal(value.shape)
        expected, doubt = directional_derivative(lambda: np.array(loss()), 1.0, value, direction, step)
        actual = (direction * gradient).sum()
        # As in gradcheck, plus the rounding of two losses near 1: a bias in front of batch norm has gradient 0.
        tolerance = TOLERANCE * (abs(actual) + abs(expected) + np.linalg.norm(gradient)) + 4e-15 / step
        if doubt <= tolerance:
            break
    assert abs(actual - expected) <= tolerance, f"{name}: backward gives {actual}, differences give {expected}"


@pytest.mark.parametrize(("model", "norm", "loss", "target"), WITH_A_LOSS)
def test_discriminator(model, norm, loss, target):
    loss = ADVERSARIAL_LOSSES[loss]
    D, parameters = network(model, "D", norm)
    images = rng_for(0, "images").random((BATCH[model], *SIZE, 3))
    grads = parameters.zeros_like()
    logits, backward = D(images, training=True)
    dimages = backward(loss(logits, target)[1], grads)

    def value_of_loss() -> float:
        return loss(D(images, training=True)[0], target)[0]

    assert np.abs(logits).max() < 20  # not saturated: the gradients are of size 1
    assert_gradient("images", images, dimages, value_of_loss)
    for name, value in parameters.items():
        assert_gradient(name, value, grads[name], value_of_loss)


@pytest.mark.parametrize(("model", "norm", "loss"), [one[:3] for one in WITH_A_LOSS])
def test_generator_through_frozen_discriminator(model, norm, loss):
    loss = ADVERSARIAL_LOSSES[loss]
    (G, parameters), (D, D_parameters) = network(model, "G", norm), network(model, "D", norm, seed=1)
    codes = rng_for(0, "codes").standard_normal((BATCH[model], CODE))
    before = D_parameters.flat.copy()
    grads = parameters.zeros_like()
    images, G_backward = G(codes, training=True)
    logits, D_backward = D(images, training=True)
    dcodes = G_backward(D_backward(loss(logits, 1)[1], grads=None), grads)

    def value_of_loss() -> float:
        return loss(D(G(codes, training=True)[0], training=True)[0], 1)[0]

    assert np.abs(logits).max() < 20
    assert_gradient("codes", codes, dcodes, value_of_loss)
    for name, value in parameters.items():
        assert_gradient(name, value, grads[name], value_of_loss)
    np.testing.assert_array_equal(D_parameters.flat, before)


@both_models
@every_norm
def test_each_pass_fills_its_own_gradients_only(model, norm):
    (G, G_parameters), (D, D_parameters) = network(model, "G", norm), network(model, "D", norm, seed=1)
    G_grads, D_grads = G_parameters.zeros_like(), D_parameters.zeros_like()
    images, G_backward = G(rng_for(0, "codes").standard_normal((BATCH[model], CODE)), training=True)
    D_backward = D(images, training=True)[1]
    dlogits = rng_for(0, "upstream").standard_normal(BATCH[model])

    D_backward(dlogits, D_grads, need_dx=False)
    np.testing.assert_array_equal(G_grads.flat, 0)
    kept = D_grads.flat.copy()
    G_backward(D_backward(dlogits), G_grads, need_dx=False)
    np.testing.assert_array_equal(D_grads.flat, kept)
    for grads in (G_grads, D_grads):
        for name, gradient in grads.items():
            # A rectifier whose inputs all lie above its kink has no gradient.
            assert np.abs(gradient).max() > 0 or "act." in name, name
