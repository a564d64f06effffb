"""What a run can be told: every option with its default and its check, and the presets of the paper's runs."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinygan import ops
from tinygan.data import DATASETS
from tinygan.data.batches import AUGMENTATIONS
from tinygan.data.packed import is_packed, read_description
from tinygan.data.transform import shown
from tinygan.device import DEVICES, PRECISIONS
from tinygan.errors import Choices, UsageError
from tinygan.jsonfile import check
from tinygan.losses import ADVERSARIAL_LOSSES
from tinygan.models.norms import NORMS
from tinygan.models.pyramid import Size, default_levels, pyramid
from tinygan.ranges import RANGES, Range, flag
from tinygan.text import did_you_mean
from tinygan.training.own_model import is_own
from tinygan.training.step import SCHEDULES

Levels = list[int]  # one number per level, from the image inwards; a list, since `show` takes a tuple for a size

MODELS = ("dcgan", "resnet")
SIZES = ("image_size", "crop_size")
RESNET_ONLY = ("d_features", "g_features", "d_blocks", "g_blocks")

CHOICES = {
    "model": MODELS,
    "norm": NORMS,
    "loss": tuple(ADVERSARIAL_LOSSES),
    "schedule": tuple(SCHEDULES),
    "dataset": DATASETS,
    "device": DEVICES,
    "precision": tuple(PRECISIONS),
    "ops": ops.IMPLEMENTATIONS,
}


@dataclass(frozen=True)
class Options:
    """All options of ``train.py`` with their defaults, those of the paper's DCGAN code (notes A3).

    Sizes are (height, width) in pixels; intervals are in iterations. Checked on construction, numbers by
    ``tinygan.ranges``, wherever they come from. Raises UsageError: naming the option and what it takes.
    """

    model: str = "dcgan"
    norm: str = "wn"
    code_size: int = 128
    features: int = 64
    levels: int | None = None
    d_features: Levels | None = None
    g_features: Levels | None = None
    d_blocks: Levels | None = None
    g_blocks: Levels | None = None
    dataset: str = "shapes"
    data_dir: str | None = None
    image_size: Size = (32, 32)
    crop_size: Size | None = None
    augment: str = ""
    batch_size: int = 32
    iterations: int = 100_000
    learning_rate: float = 1e-4
    warmup: int = 0
    schedule: str = "alternating"
    loss: str = "bce"
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    ops: str = "fast"
    out: str = "runs"
    name: str = ""
    log_every: int = 50
    sample_every: int = 100
    test_every: int = 1_000
    save_every: int = 1_000
    keep_every: int = 20_000

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            object.__setattr__(self, name, _of_python(value))
        for name, choices in CHOICES.items():
            typed = getattr(self, name)
            if typed not in choices and not (name == "model" and is_own(typed)):
                several, own = ", ".join(choices), ", or package.module:function" if name == "model" else ""
                similar = did_you_mean(str(typed), choices)
                raise UsageError(f"unknown {name} {typed!r}{similar}: {flag(name)} takes one of {several}{own}")
        for name in RANGES.keys() & vars(self).keys():
            self._check_numbers(name, RANGES[name])
        for name in ("augment", "name", "out"):
            if not isinstance(getattr(self, name), str):
                raise UsageError(f"{flag(name)} is {getattr(self, name)!r}: give text")
        for name in ("out", "data_dir"):
            if getattr(self, name) == "":
                raise UsageError(f"{flag(name)} is empty: name a folder, or leave it out")
        if not set(filter(None, self.augment.split(","))) <= set(AUGMENTATIONS):
            raise UsageError(f"--augment {self.augment!r}: give one or both of {','.join(AUGMENTATIONS)}, with a comma")
        if not self.name.replace("-", "").replace("_", "").isalnum() and self.name:
            raise UsageError(f"--name {self.name!r}: use letters, digits, '-' and '_' only; it becomes a folder's name")
        self._check_network()

    def _check_numbers(self, name: str, numbers: Range) -> None:
        """The option's number, or both of a size, or each of a list."""
        value, each = getattr(self, name), ""
        right = value in numbers
        if name in SIZES:
            right = isinstance(value, tuple) and len(value) == 2
            each = " each way" if right else " each way, as (32, 32)"
        elif name in RESNET_ONLY:
            right, each = isinstance(value, list), " for each level"
        if (value is not None or getattr(Options, name) is not None) and not (
            right and (not each or all(one in numbers for one in value))
        ):
            typed = show(value) if isinstance(value, tuple | list) else repr(value)
            raise UsageError(f"{flag(name)} is {typed}: give {numbers}{each}")

    def _check_network(self) -> None:
        for name in RESNET_ONLY:
            self._check_numbers(name, RANGES["blocks" if name.endswith("blocks") else "features"])
            value = getattr(self, name)
            if value is not None and self.model != "resnet":
                raise UsageError(f"{flag(name)} belongs to --model resnet: add that, or leave it out")
            if value == []:
                raise UsageError(f"{flag(name)} is empty: give a number for each level, with commas")
        if self.model == "dcgan":
            pyramid(self.image_size, self.levels)
        elif self.model == "resnet":
            for network in "dg":
                features, blocks = map(len, self.residual_levels(network))
                if features != blocks or self.levels not in (None, features):
                    levels = f", --levels {self.levels}" if self.levels else ""
                    given = f"{features} levels of --{network}-features, {blocks} of --{network}-blocks{levels}"
                    raise UsageError(f"{given}: give each level one number of each")
                pyramid(self.image_size, features)

    def residual_levels(self, network: str) -> tuple[Levels, Levels]:
        """Channels and residual blocks of each level of ``network``, "d" or "g".

        D's default to features·2^level, as in the DCGAN, and one block; G's to D's (blocks only for as many levels).
        """
        levels = default_levels(self.image_size) if self.levels is None else self.levels
        doubling = [self.features * 2**level for level in range(levels)]
        features = self.d_features or doubling
        blocks = self.d_blocks or [1] * len(features)
        if network == "g":
            features = self.g_features or features
            blocks = self.g_blocks or (blocks if len(blocks) == len(features) else [1] * len(features))
        return features, blocks

    @classmethod
    def from_json(cls, values: dict) -> "Options":
        """From what ``dataclasses.asdict`` made and JSON held; options that older versions did not write get defaults.

        Raises ValueError for an unknown option, and for what should be text and is not; UsageError as on construction.
        """
        kinds = {field.name: field.type for field in dataclasses.fields(cls)}
        check(values, {f"{name}?": kind for name, kind in kinds.items() if kind in (str, str | None)})
        if unknown := sorted(values.keys() - kinds.keys()):
            raise ValueError(f"unknown option {unknown[0][:40]!r}")
        sizes = {name: tuple(values[name]) for name in SIZES if isinstance(values.get(name), list)}
        return cls(**(values | sizes))


def _of_python(value: object) -> object:
    """With Python's numbers in place of NumPy's, which np.logspace makes, say."""
    if isinstance(value, tuple | list):
        return (tuple if isinstance(value, tuple) else list)(map(_of_python, value))
    return value.item() if isinstance(value, np.generic) else value


# What may change on resuming; everything else decides what the weights mean, or would break exactness.
CHANGEABLE_ON_RESUME = ("iterations", "learning_rate", "warmup", "device", "ops", "data_dir", "out")
CHANGEABLE_ON_RESUME += ("log_every", "sample_every", "test_every", "save_every", "keep_every")

_CELEBA = {"image_size": (160, 160), "code_size": 256, "learning_rate": 2e-5, "iterations": 200_000}
_PRESETS = {
    # The paper's settings for CIFAR-10 and LSUN are unpublished: the code's defaults, CelebA's network (notes A1).
    "cifar10": {"dataset": "cifar10"},
    # The worked example of the paper's DCGAN code.
    "celeba": {"dataset": "celeba", "crop_size": (160, 160), **_CELEBA},
    "lsun": {"dataset": "lsun", **_CELEBA},
    # The paper's 21 layers, with the constants of its ResNet code (notes A4).
    "resnet21-celeba": {
        "model": "resnet",
        "dataset": "celeba",
        "crop_size": (160, 160),
        "image_size": (160, 160),
        "d_features": [64, 128, 256, 384, 512],
        "d_blocks": [2, 2, 2, 2, 2],
        "learning_rate": 2e-5,
        "schedule": "shared",
        "iterations": 1_000_000,
    },
    # Small enough for two CPU cores; not the paper's.
    "resnet-cifar10": {"model": "resnet", "dataset": "cifar10", "d_features": [48, 96, 192], "schedule": "shared"},
}
PRESETS = Choices("preset", _PRESETS)


def resolve(explicit: dict, preset: str | None) -> Options:
    """The defaults, overridden by the preset, then by what a packed data set says, then by what was typed."""
    options = Options(**((PRESETS[preset] if preset else {}) | _packed(explicit) | explicit))
    if options.norm == "bn" and options.batch_size == 1:
        raise UsageError("--norm bn needs --batch-size 2 or more: one image has no spread over the batch")
    return _check_warmup(options)


def _check_warmup(options: Options) -> Options:
    """The options; UsageError if the learning rate would not rise to its value before the run ends."""
    warmup, iterations = options.warmup, options.iterations
    if warmup > iterations:
        raise UsageError(f"--warmup {warmup} is longer than --iterations {iterations}: give fewer, or train longer")
    return options


def _packed(explicit: dict) -> dict:
    """The options that the packed set in ``--data-dir`` decides; UsageError where another value was typed."""
    folder = explicit.get("data_dir")
    if not folder or not is_packed(folder):
        return {}
    packed = read_description(folder)
    brings = {"dataset": packed["dataset"], "image_size": (packed["height"], packed["width"])}
    brings["crop_size"] = tuple(packed["crop"]) if packed["crop"] else None
    if "crop" in explicit.get("augment", ""):  # the networks draw windows of the packed images
        brings["image_size"] = explicit.get("image_size", brings["image_size"])
    for name in explicit.keys() & brings.keys():
        if explicit[name] != brings[name]:
            raise UsageError(
                f"{flag(name)} {show(explicit[name])} does not fit {folder}, which was packed with "
                f"{show(brings[name])}: leave the option out, or prepare another folder with data_prep.py"
            )
    return brings


def resume(stored: Options, explicit: dict, checkpoint: Path) -> Options:
    """The stored options with those that were typed on top; UsageError for one that differs and may not change."""
    for name, value in explicit.items():
        same_storage = name == "precision" and PRECISIONS[value] == PRECISIONS[stored.precision]  # all but float64
        if name not in CHANGEABLE_ON_RESUME and value != getattr(stored, name) and not same_storage:
            raise UsageError(
                f"{flag(name)} {show(value)} does not fit {checkpoint}, which was made with "
                f"{flag(name)} {show(getattr(stored, name))}: leave it out, or start a new run"
            )
    options = dataclasses.replace(stored, **explicit)
    return _check_warmup(options) if explicit.keys() & {"warmup", "iterations"} else options


def show(value: object) -> str:
    """A value as it is typed on the command line: sizes as WIDTHxHEIGHT, lists with commas."""
    if isinstance(value, list):
        return ",".join(map(str, value))
    return shown(value) if isinstance(value, tuple) and len(value) == 2 else str(value)
