"""Whole small networks, end to end through the losses, against finite differences."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.layers.cases import prepare
from tinygan.gradcheck import STEP, TOLERANCE, directional_derivative
from tinygan.layers import Sequential
from tinygan.layers.activations import TranslatedRectifier
from tinygan.losses import ADVERSARIAL_LOSSES
from tinygan.models.dcgan import NORMS, discriminator, generator
from tinygan.parameters import Parameters
from tinygan.streams import stream

SIZE, CODE, FEATURES, BATCH = (12, 18), 5, 3, 3  # 18: the rule of the extra padding, on one axis only
ATTEMPTS = 20

every_norm = pytest.mark.parametrize("norm", NORMS)
both_losses = pytest.mark.parametrize("loss", ADVERSARIAL_LOSSES.values(), ids=ADVERSARIAL_LOSSES.keys())


def network(which: str, norm: str, seed: int = 0) -> tuple[Sequential, Parameters]:
    """G or D in float64 with random parameters; plain weights are scaled so that the logits stay moderate."""
    built = generator(SIZE, CODE, FEATURES, norm) if which == "G" else discriminator(SIZE, FEATURES, norm)
    parameters = prepare(built, seed=seed)
    for value in parameters.values():
        if value.ndim > 1 and norm in ("none", "bn"):
            value /= np.sqrt(value.size / value.shape[-1])
    return built, parameters


def sides_of_kinks(layers: Sequential, x: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """The output, and on which side of its kink every input of every rectifier lies."""
    sides = []
    for layer in layers.children.values():
        if isinstance(layer, TranslatedRectifier):
            sides.append((x >= layer.shift).ravel())
        x = layer(x, training=True)[0]
    return x, sides


def assert_gradient(
    name: str, value: np.ndarray, gradient: np.ndarray, loss: Callable[[], tuple[float, list[np.ndarray]]]
) -> None:
    """Compare with differences along a random direction on which no rectifier crosses its kink.

    Units near a kink are few but there are thousands of units, so a direction may cross one; another is drawn then.
    """
    for attempt in range(ATTEMPTS):
        direction = stream(attempt, name).standard_normal(value.shape)
        patterns = set()

        def value_of_loss(patterns: set = patterns) -> float:
            result, sides = loss()
            patterns.add(np.concatenate(sides).tobytes())
            return float(result)

        value_of_loss()
        expected = directional_derivative(value_of_loss, value, direction)
        if len(patterns) == 1:
            break
    else:
        pytest.fail(f"{name}: every direction of {ATTEMPTS} crosses a kink")
    actual = (direction * gradient).sum()
    # As in gradcheck, plus the rounding of two losses near 1: a bias in front of batch norm has gradient 0.
    tolerance = TOLERANCE * (abs(actual) + abs(expected) + np.linalg.norm(gradient)) + 1e-15 / STEP
    assert abs(actual - expected) <= tolerance, f"{name}: backward gives {actual}, differences give {expected}"


@every_norm
@both_losses
@pytest.mark.parametrize("target", [0, 1], ids=["generated", "real"])
def test_discriminator(norm, loss, target):
    D, parameters = network("D", norm)
    images = stream(0, "images").random((BATCH, *SIZE, 3))
    grads = parameters.zeros_like()
    logits, backward = D(images, training=True)
    dimages = backward(loss(logits, target)[1], grads)

    def value_of_loss() -> tuple[float, list[np.ndarray]]:
        logits, sides = sides_of_kinks(D, images)
        return loss(logits, target)[0], sides

    assert np.abs(logits).max() < 20  # not saturated: the gradients are of size 1
    assert_gradient("images", images, dimages, value_of_loss)
    for name, value in parameters.items():
        assert_gradient(name, value, grads[name], value_of_loss)


@every_norm
@both_losses
def test_generator_through_frozen_discriminator(norm, loss):
    (G, parameters), (D, D_parameters) = network("G", norm), network("D", norm, seed=1)
    codes = stream(0, "codes").standard_normal((BATCH, CODE))
    before = D_parameters.flat.copy()
    grads = parameters.zeros_like()
    images, G_backward = G(codes, training=True)
    logits, D_backward = D(images, training=True)
    dcodes = G_backward(D_backward(loss(logits, 1)[1], grads=None), grads)

    def value_of_loss() -> tuple[float, list[np.ndarray]]:
        images, G_sides = sides_of_kinks(G, codes)
        logits, D_sides = sides_of_kinks(D, images)
        return loss(logits, 1)[0], G_sides + D_sides

    assert np.abs(logits).max() < 20
    assert_gradient("codes", codes, dcodes, value_of_loss)
    for name, value in parameters.items():
        assert_gradient(name, value, grads[name], value_of_loss)
    np.testing.assert_array_equal(D_parameters.flat, before)


@every_norm
def test_each_pass_fills_its_own_gradients_only(norm):
    (G, G_parameters), (D, D_parameters) = network("G", norm), network("D", norm, seed=1)
    G_grads, D_grads = G_parameters.zeros_like(), D_parameters.zeros_like()
    images, G_backward = G(stream(0, "codes").standard_normal((BATCH, CODE)), training=True)
    D_backward = D(images, training=True)[1]
    dlogits = stream(0, "upstream").standard_normal(BATCH)

    D_backward(dlogits, D_grads, need_dx=False)
    np.testing.assert_array_equal(G_grads.flat, 0)
    kept = D_grads.flat.copy()
    G_backward(D_backward(dlogits), G_grads, need_dx=False)
    np.testing.assert_array_equal(D_grads.flat, kept)
    assert all(np.abs(grads).max() > 0 for grads in (*G_grads.values(), *D_grads.values()))
