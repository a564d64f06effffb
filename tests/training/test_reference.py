"""The whole step on the formulas of ``ops/reference.py`` against the fast one."""

import itertools

import numpy as np
import pytest

from tinygan import ops
from tinygan.device import open_backend
from tinygan.models.norms import NORMS
from tinygan.rng import rng_for
from tinygan.training.options import Options
from tinygan.training.session import build_game
from tinygan.training.step import SCHEDULES

N, SIZE, CODE = 5, (16, 16), 9
MODELS = {
    "dcgan": {"features": 8, "levels": 2},  # 8 channels and more: tiles take part, not only patches
    "resnet": {"model": "resnet", "d_features": [8, 12], "g_features": [8, 12], "d_blocks": [1, 1], "g_blocks": [1, 1]},
}
CASES = list(itertools.product(MODELS, NORMS, SCHEDULES))


@pytest.fixture(autouse=True)
def back_to_fast():
    yield
    ops.use("fast")


def trained(model: str, norm: str, schedule: str, precision: str, steps: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """The losses of all steps, and every array of both players at the end."""
    options = Options(norm=norm, image_size=SIZE, code_size=CODE, batch_size=N, seed=3, **MODELS[model])
    game = build_game(options, open_backend("cpu", precision))
    dtype, losses = game.generator.parameters.flat.dtype, []
    for step in range(steps):
        real = rng_for(step, "real").random((N, *SIZE, 3)).astype(dtype)
        codes = rng_for(step, "codes").standard_normal((SCHEDULES[schedule].code_batches, N, CODE)).astype(dtype)
        losses.append(SCHEDULES[schedule].step(game, real, codes, 1e-3))
    return np.array(losses), [store.flat for player in game[:2] for store in player.stores().values()]


@pytest.mark.parametrize(("model", "norm", "schedule"), CASES)
def test_ten_steps_on_the_formulas_give_the_same(model, norm, schedule):
    results = []
    for implementation in ops.IMPLEMENTATIONS:
        ops.use(implementation)
        results.append(trained(model, norm, schedule, "float64", steps=10))
    (losses, arrays), (expected_losses, expected) = results
    np.testing.assert_allclose(losses, expected_losses, rtol=0, atol=1e-9)
    for actual, array in zip(arrays, expected, strict=True):
        np.testing.assert_allclose(actual, array, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("model", "norm", "schedule"), CASES)
def test_first_losses_in_float32(model, norm, schedule):
    results = []
    for implementation in ops.IMPLEMENTATIONS:
        ops.use(implementation)
        results.append(trained(model, norm, schedule, "float32", steps=1)[0])
    np.testing.assert_allclose(*results, rtol=0, atol=1e-5)


def test_the_fast_step_takes_none_of_the_formulas_products(monkeypatch):
    """The comparison above would be empty if both ran the same code."""
    from tinygan.ops import reference

    monkeypatch.setattr(reference, "correlate", None)
    monkeypatch.setattr(reference, "rectify", None)
    trained("dcgan", "wn", "shared", "float32", steps=1)
