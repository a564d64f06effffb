"""Options: what wins over what, and what survives a checkpoint."""

import json

import pytest

from tinygan.errors import UsageError
from tinygan.training.options import CHANGEABLE_ON_RESUME, PRESETS, Options, resolve, resume


def test_typed_options_win_over_the_preset_and_the_preset_over_the_defaults():
    options = resolve({"learning_rate": 5e-5}, "celeba")
    assert options.learning_rate == 5e-5
    assert (options.image_size, options.crop_size, options.code_size) == ((160, 160), (160, 160), 256)
    assert options.batch_size == Options().batch_size


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_can_be_built_and_survives_json(preset):
    options = resolve({}, preset)
    assert Options.from_json(json.loads(json.dumps(options.to_json()))) == options


def test_an_unknown_preset_is_named():
    with pytest.raises(UsageError, match=r"unknown preset 'mnist': choose one of cifar10, celeba, lsun"):
        resolve({}, "mnist")


def test_what_decides_the_weights_cannot_change_on_resume():
    stored = resolve({}, "celeba")
    different = {
        "norm": "bn", "code_size": 1, "features": 1, "levels": 1, "dataset": "lsun", "image_size": (8, 8),
        "crop_size": (8, 8), "batch_size": 1, "schedule": "shared", "loss": "least-squares", "seed": 1,
        "precision": "float64", "name": "x",
    }  # fmt: skip
    assert set(different) | set(CHANGEABLE_ON_RESUME) == set(vars(stored))
    for name, value in different.items():
        with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} .* does not fit here.safetensors"):
            resume(stored, {name: value}, "here.safetensors")
        assert resume(stored, {name: getattr(stored, name)}, "here.safetensors") == stored
    for precision in ("tf32", "float32", "auto"):  # the same arrays
        assert resume(stored, {"precision": precision}, "here.safetensors").precision == precision
    changed = resume(stored, {"learning_rate": 1e-5, "iterations": 3}, "here.safetensors")
    assert (changed.learning_rate, changed.iterations) == (1e-5, 3)
