"""What a run can be told: every option with its default and its check, and the presets of the paper's runs."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from tinygan.backend import DEVICES, PRECISIONS
from tinygan.data import DATASETS
from tinygan.errors import UsageError
from tinygan.losses import ADVERSARIAL_LOSSES
from tinygan.models.dcgan import NORMS, pyramid
from tinygan.training.step import SCHEDULES

Size = tuple[int, int]  # (height, width) in pixels

CHOICES = {
    "norm": NORMS,
    "loss": tuple(ADVERSARIAL_LOSSES),
    "schedule": tuple(SCHEDULES),
    "dataset": DATASETS,
    "device": DEVICES,
    "precision": tuple(PRECISIONS),
}


@dataclass(frozen=True)
class Options:
    """All options of ``train.py`` with their defaults, those of the paper's DCGAN code (notes A3).

    Sizes are (height, width) in pixels; intervals are in iterations. Checked on construction.

    Raises:
        UsageError: naming the option and what it takes.
    """

    norm: str = "wn"
    code_size: int = 128
    features: int = 64
    levels: int | None = None
    dataset: str = "shapes"
    data_dir: str | None = None
    image_size: Size = (32, 32)
    crop_size: Size | None = None
    batch_size: int = 32
    iterations: int = 100_000
    learning_rate: float = 1e-4
    warmup: int = 0
    schedule: str = "alternating"
    loss: str = "bce"
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    out: str = "runs"
    name: str = ""
    log_every: int = 50
    sample_every: int = 100
    test_every: int = 1_000
    save_every: int = 1_000
    keep_every: int = 20_000

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise UsageError(f"unknown {name} {getattr(self, name)!r}: choose one of {', '.join(choices)}")
        for name in ("code_size", "features", "batch_size", "iterations", *INTERVALS):
            if getattr(self, name) < 1:
                raise UsageError(f"{flag(name)} is {getattr(self, name)}: it must be at least 1")
        for name in ("warmup", "seed", "test_every"):
            if getattr(self, name) < 0:
                raise UsageError(f"{flag(name)} is {getattr(self, name)}: it must not be negative")
        if not 0 < self.learning_rate < float("inf"):
            raise UsageError(f"--learning-rate is {self.learning_rate}: it must be a positive number")
        if self.crop_size and min(self.crop_size) < 1:
            raise UsageError("--crop-size must be at least 1 pixel each way")
        if not self.name.replace("-", "").replace("_", "").isalnum() and self.name:
            raise UsageError(f"--name {self.name!r}: use letters, digits, '-' and '_' only; it becomes a folder's name")
        pyramid(self.image_size, self.levels)

    def to_json(self) -> dict:
        """As a dict that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict) -> "Options":
        """The inverse of :meth:`to_json`."""
        sizes = {name: tuple(values[name]) for name in ("image_size", "crop_size") if values.get(name)}
        return cls(**(values | sizes))


INTERVALS = ("log_every", "sample_every", "save_every", "keep_every")

# What may differ when a run is continued; everything else decides what the weights mean or would break its exactness.
CHANGEABLE_ON_RESUME = ("iterations", "learning_rate", "warmup", "device", "data_dir", "out", "test_every", *INTERVALS)

_CELEBA = {"image_size": (160, 160), "code_size": 256, "learning_rate": 2e-5, "iterations": 200_000}
PRESETS: dict[str, dict] = {
    # The paper's settings for CIFAR-10 and LSUN were not published: the code's defaults, and the CelebA example's
    # network, stand in for them (notes A1).
    "cifar10": {"dataset": "cifar10"},
    # The worked example of the paper's DCGAN code.
    "celeba": {"dataset": "celeba", "crop_size": (160, 160), **_CELEBA},
    "lsun": {"dataset": "lsun", **_CELEBA},
}


def flag(name: str) -> str:
    """An option's name as it is typed: ``batch_size`` -> ``--batch-size``."""
    return "--" + name.replace("_", "-")


def resolve(explicit: dict, preset: str | None) -> Options:
    """Defaults, then the preset's values, then those that were typed."""
    if preset is not None and preset not in PRESETS:
        raise UsageError(f"unknown preset {preset!r}: choose one of {', '.join(PRESETS)}")
    return Options(**(PRESETS.get(preset, {}) | explicit))


def resume(stored: Options, explicit: dict, checkpoint: Path) -> Options:
    """The stored options with those that were typed on top.

    Raises:
        UsageError: an option was typed that cannot change on resume and differs from the stored one.
    """
    for name, value in explicit.items():
        same_storage = name == "precision" and PRECISIONS[value] == PRECISIONS[stored.precision]  # all but float64
        if name not in CHANGEABLE_ON_RESUME and value != getattr(stored, name) and not same_storage:
            raise UsageError(
                f"{flag(name)} {show(value)} does not fit {checkpoint}, which was made with "
                f"{flag(name)} {show(getattr(stored, name))}: leave it out, or start a new run"
            )
    return dataclasses.replace(stored, **explicit)


def show(value: object) -> str:
    """A value as it is typed on the command line: sizes as WIDTHxHEIGHT."""
    return f"{value[1]}x{value[0]}" if isinstance(value, tuple) else str(value)
