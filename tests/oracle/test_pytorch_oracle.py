"""tinygan against stored PyTorch results: activations, losses, every gradient, ten training steps."""

from pathlib import Path

import numpy as np
import pytest

from tests.oracle.compare import TOLERANCES, assert_agrees, batches, first_step, part, players
from tests.tiles import patches_only, tiles_wherever_they_fit
from tinygan.models.norms import NORMS
from tinygan.training.step import SCHEDULES, Game

LEARNING_RATE = 1e-3  # the oracle's

FILES = {"dcgan": "pytorch_{}.npz", "resnet": "resnet_{}.npz"}

both_models = pytest.mark.parametrize("model", FILES)
every_norm = pytest.mark.parametrize("norm", NORMS)
both_ways = pytest.mark.parametrize("way", [patches_only, tiles_wherever_they_fit], ids=["patches", "tiles"])
both_precisions = pytest.mark.parametrize("precision", TOLERANCES)


def stored(norm: str, model: str = "dcgan") -> dict[str, np.ndarray]:
    with np.load(Path(__file__).with_name(FILES[model].format(norm)), allow_pickle=False) as file:
        return dict(file)


@both_models
@every_norm
@both_precisions
@both_ways
@pytest.mark.parametrize(
    "prefixes",
    [
        ("G_activations.", "D_activations_real.", "D_activations_fake.", "losses"),
        ("D_grads.",),
        ("G_grads.",),
        ("G_buffers_after.", "D_buffers_after.", "fake_evaluated"),
    ],
    ids=["activations-and-losses", "discriminator-gradients", "generator-gradients", "running-statistics"],
)
def test_first_step(model, norm, precision, way, prefixes):
    values = stored(norm, model)
    with way():
        found = first_step(values, norm, precision)
    actual = {name: array for name, array in found.items() if name.startswith(prefixes)}
    assert set(actual) == {name for name in values if name.startswith(prefixes)}
    assert all(array.dtype == precision for array in actual.values())
    assert_agrees(actual, values, precision)


@both_models
@every_norm
@both_precisions
@both_ways
@pytest.mark.parametrize("schedule", ["alternating", "shared"])
def test_ten_training_steps(model, norm, precision, way, schedule):
    values = stored(norm, model)
    game = Game(*players(values, norm, precision))
    step, code_batches = SCHEDULES[schedule]
    pairs = zip(*batches(values, precision), strict=True)
    with way():
        losses = np.array([step(game, reals, codes[:code_batches], LEARNING_RATE) for codes, reals in pairs])
    assert losses.shape == (10, 3)
    assert_agrees({schedule: losses}, values, precision)


@both_models
@every_norm
def test_oracle_is_worth_agreeing_with(model, norm):
    """Random parameters, unsaturated losses, slopes at the ends of their range, losses that training moves."""
    values = stored(norm, model)
    reals = values["reals"]
    assert reals.shape == (10, 3, 12, 18, 3)
    assert np.abs(values["D_activations_fake.logit"]).max() < 5
    for which in "GD":
        for name, gradient in part(values, f"{which}_grads.").items():
            layer = name.removesuffix(".b")
            # A bias that batch norm takes out again; G's linear layer has one per pixel, which it keeps.
            zero = layer not in (name, "linear") and f"{which}.{layer}_norm.scale" in values
            assert (np.abs(gradient).max() < 1e-12) == zero, name
        slopes = np.concatenate([array for name, array in part(values, f"{which}.").items() if name.endswith("slope")])
        assert slopes.min() == 0
        assert slopes.max() == 1
        assert ((slopes > 0) & (slopes < 1)).any()
    for schedule in ("alternating", "shared"):
        assert np.abs(values[schedule][-1] - values[schedule][0]).max() > 0.01
    np.testing.assert_allclose(values["shared"][0], values["losses"], rtol=1e-12)  # two orders of the same sums
    assert np.abs(values["alternating"] - values["shared"]).max() > 1e-3
