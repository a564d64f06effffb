"""Options: what wins over what, and what survives a checkpoint."""

import dataclasses
import json
from collections import namedtuple

import numpy as np
import pytest

from tinygan.errors import UsageError
from tinygan.ranges import RANGES
from tinygan.training.options import CHANGEABLE_ON_RESUME, PRESETS, RESNET_ONLY, Options, flag, resolve, resume


def test_typed_options_win_over_the_preset_and_the_preset_over_the_defaults():
    options = resolve({"learning_rate": 5e-5}, "celeba")
    assert options.learning_rate == 5e-5
    assert (options.image_size, options.crop_size, options.code_size) == ((160, 160), (160, 160), 256)
    assert options.batch_size == Options().batch_size


def test_numpys_numbers_are_numbers():
    """``for rate in np.logspace(-5, -3, 3)``; JSON, which keeps the options, knows Python's only."""
    given = {"learning_rate": np.float64(1e-3), "seed": np.int64(3), "loss": np.str_("bce"), "model": "resnet"}
    sizes = {"image_size": tuple(np.array([32, 64])), "d_features": list(2 ** np.arange(4, 7))}
    options = Options(**given, **sizes)
    assert options == Options(learning_rate=1e-3, seed=3, model="resnet", image_size=(32, 64), d_features=[16, 32, 64])
    assert Options.from_json(json.loads(json.dumps(dataclasses.asdict(options)))) == options
    with pytest.raises(UsageError, match="--learning-rate is nan"):
        Options(learning_rate=np.float32("nan"))
    assert Options(image_size=namedtuple("Size", "height width")(32, np.int64(64))).image_size == (32, 64)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_can_be_built_and_survives_json(preset):
    options = resolve({}, preset)
    assert Options.from_json(json.loads(json.dumps(dataclasses.asdict(options)))) == options


def test_an_unknown_preset_is_named():
    with pytest.raises(UsageError, match=r"unknown preset 'mnist': choose one of cifar10, celeba, lsun"):
        resolve({}, "mnist")


def test_what_decides_the_weights_cannot_change_on_resume():
    stored = resolve({}, "celeba")
    different = {
        "model": "resnet", "norm": "bn", "code_size": 1, "features": 1, "levels": 1, "dataset": "lsun",
        "image_size": (8, 8), "crop_size": (8, 8), "batch_size": 1, "schedule": "shared",
        "loss": "least-squares", "seed": 1, "precision": "float64", "name": "x", "augment": "flip",
    }  # fmt: skip
    assert set(different) | set(RESNET_ONLY) | set(CHANGEABLE_ON_RESUME) == set(vars(stored))
    for name, value in different.items():
        with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} .* does not fit here.safetensors"):
            resume(stored, {name: value}, "here.safetensors")
        assert resume(stored, {name: getattr(stored, name)}, "here.safetensors") == stored
    for precision in ("tf32", "float32", "auto"):  # the same arrays
        assert resume(stored, {"precision": precision}, "here.safetensors").precision == precision
    changed = resume(stored, {"learning_rate": 1e-5, "iterations": 3}, "here.safetensors")
    assert (changed.learning_rate, changed.iterations) == (1e-5, 3)


@pytest.mark.parametrize("name", RESNET_ONLY)
def test_levels_cannot_change_on_resume(name):
    stored = resolve({}, "resnet21-celeba")
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} 8,9 does not fit here.safetensors"):
        resume(stored, {name: [8, 9]}, "here.safetensors")


@pytest.mark.parametrize(
    ("given", "of_D", "of_G"),
    [
        ({}, ([64, 128, 256], [1, 1, 1]), ([64, 128, 256], [1, 1, 1])),
        ({"features": 8, "levels": 2}, ([8, 16], [1, 1]), ([8, 16], [1, 1])),
        ({"d_features": [3, 4]}, ([3, 4], [1, 1]), ([3, 4], [1, 1])),
        ({"d_features": [3, 4], "d_blocks": [2, 1]}, ([3, 4], [2, 1]), ([3, 4], [2, 1])),
        ({"d_features": [3, 4], "g_features": [5, 6, 7]}, ([3, 4], [1, 1]), ([5, 6, 7], [1, 1, 1])),
        ({"d_blocks": [2, 1, 1], "g_blocks": [1, 1, 3]}, ([64, 128, 256], [2, 1, 1]), ([64, 128, 256], [1, 1, 3])),
        ({"g_features": [5, 6, 7], "g_blocks": [1, 2, 3]}, ([64, 128, 256], [1, 1, 1]), ([5, 6, 7], [1, 2, 3])),
    ],
)
def test_levels_that_are_not_given(given, of_D, of_G):
    options = Options(model="resnet", **given)
    assert (options.residual_levels("d"), options.residual_levels("g")) == (of_D, of_G)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"d_blocks": [1, 1]}, r"3 levels of --d-features, 2 of --d-blocks: give each level"),
        ({"g_features": [4, 5], "g_blocks": [1, 1, 1]}, r"2 levels of --g-features, 3 of --g-blocks: give each level"),
        (
            {"d_features": [4, 5], "levels": 3},
            r"2 levels of --d-features, 2 of --d-blocks, --levels 3: give each level",
        ),
        ({"d_features": [4, 0, 5]}, r"--d-features is 4,0,5: give a whole number from 1 to 65,536 for each level"),
        ({"g_blocks": []}, r"--g-blocks is empty: give a number for each level"),
        ({"d_features": [1] * 9}, r"9 levels are too many for images of 32x32"),
        ({"levels": 0}, r"levels is 0"),
        ({"image_size": (6, 6)}, r"6x6 is too small"),
        ({"image_size": (33, 32)}, r"32x33: width and height must be even"),
    ],
)
def test_levels_that_cannot_be(given, message):
    with pytest.raises(UsageError, match=message):
        Options(model="resnet", **given)


@pytest.mark.parametrize("name", RESNET_ONLY)
def test_options_of_the_other_model_are_refused(name):
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} belongs to --model resnet"):
        Options(**{name: [1, 1, 1]})


def test_options_from_before_there_were_two_models_are_those_of_the_dcgan():
    stored = dataclasses.asdict(Options(norm="bn"))
    for name in ("model", *RESNET_ONLY):
        del stored[name]
    assert Options.from_json(stored) == Options(norm="bn", model="dcgan")


def test_the_21_layers_of_the_paper():
    options = resolve({}, "resnet21-celeba")
    assert options.residual_levels("d") == options.residual_levels("g") == ([64, 128, 256, 384, 512], [2] * 5)
    assert (options.image_size, options.crop_size, options.code_size) == ((160, 160), (160, 160), 128)
    assert (options.norm, options.learning_rate, options.schedule, options.loss) == ("wn", 2e-5, "shared", "bce")


@pytest.mark.parametrize("name", [name for name in RANGES if name in vars(Options())])
def test_a_number_has_the_same_range_wherever_it_comes_from(name):
    """Presets, resumes and stored options go through the same table as what is typed."""
    for value in (-1, 10**20, float("nan"), float("inf"), "5", True, [], [5], (5,), {}):
        # Of another kind, or out of range.
        with pytest.raises((UsageError, ValueError), match=f"{name.replace('_', '.')} "):
            Options.from_json(dataclasses.asdict(Options()) | {name: value})
        with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} "):
            Options(**{name: value})
        with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} "):
            resume(Options(iterations=10**9), {name: value}, "here.safetensors")


@pytest.mark.parametrize("name", RESNET_ONLY)
@pytest.mark.parametrize("value", [-1, 5, "5", [0, 1, 1], [1, 10**20, 1], [True] * 3, ["1"] * 3], ids=repr)
def test_a_list_has_numbers_of_its_range(name, value):
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} is"):
        Options(model="resnet", **{name: value})


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"norm": "bn", "batch_size": 1}, "--norm bn needs --batch-size 2 or more"),
        ({"warmup": 11, "iterations": 10}, "--warmup 11 is longer than --iterations 10"),
        ({"out": ""}, "--out is empty"),
        ({"data_dir": ""}, "--data-dir is empty"),
    ],
)
def test_options_that_cannot_be_meant(typed, message):
    with pytest.raises(UsageError, match=message):
        resolve(typed, None)


@pytest.mark.parametrize(
    "name", ["seed", "batch_size", "image_size", "learning_rate", "name", "augment", "out", "loss"]
)
def test_none_is_no_value_of_an_option_that_has_one(name):
    with pytest.raises(UsageError, match=f"{flag(name)} is None|unknown {name} None"):
        Options(**{name: None})


def test_a_resumed_run_cannot_end_within_its_warmup_but_an_old_one_can_be_opened():
    with pytest.raises(UsageError, match="--warmup 50 is longer than --iterations 20"):
        resume(Options(iterations=100, warmup=50), {"iterations": 20}, "here.safetensors")
    odd = Options(iterations=10, warmup=50, norm="bn", batch_size=1)  # was possible before
    assert resume(odd, {}, "here.safetensors") == odd
