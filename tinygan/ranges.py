"""What every number that can be typed may be: one table for all scripts, presets, resumes and stored options."""

import itertools
import math
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included."""

    low: float
    high: float
    whole: bool = True  # whole numbers only
    usual: float | None = None  # the default of a number that decides how much memory is needed

    def __str__(self) -> str:
        """
        >>> str(Range(1, 10_000))
        'a whole number from 1 to 10,000'
        """
        return f"a {'whole ' if self.whole else ''}number from {self.low:,} to {self.high:,}"

    def __contains__(self, value: object) -> bool:
        """Whether ``value`` is one of them; NaN and True are not."""
        right_type = type(value) is int or (type(value) is float and not self.whole)
        return right_type and self.low <= value <= self.high

    def read(self, text: str) -> int | float:
        """The number that ``text`` writes in ASCII digits; ValueError if it is none or outside.

        >>> Range(0, 1, whole=False).read("1e-4")
        0.0001
        """
        pattern = r"[+-]?[0-9]{1,20}" if self.whole else r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
        value = (int if self.whole else float)(text) if re.fullmatch(pattern, text) else math.nan
        if value not in self:
            raise ValueError(text)
        return value


_SIDE = Range(1, 16_384, usual=32)  # pixels
_INTERVAL = Range(1, 10**9)  # iterations

# By the option's name without dashes. Where one name means different things, the prefix is the script.
RANGES = {
    "code_size": Range(1, 65_536, usual=128),
    "features": Range(1, 65_536, usual=64),
    "levels": Range(1, 16),
    "blocks": Range(1, 1_000),
    "image_size": _SIDE,
    "crop_size": _SIDE,
    "batch_size": Range(1, 1_000_000, usual=32),
    "iterations": _INTERVAL,
    "learning_rate": Range(1e-30, 1e3, whole=False),
    "warmup": Range(0, 10**9),
    "seed": Range(0, 2**63 - 1),
    "log_every": Range(1, 10**7, usual=50),  # so many losses are kept until they are logged
    "sample_every": _INTERVAL,
    "test_every": Range(0, 10**9),
    "save_every": _INTERVAL,
    "keep_every": _INTERVAL,
    # evaluate.py
    "steps": Range(1, 10**7),
    "restarts": Range(0, 10_000),
    "count": Range(1, 10**7, usual=2_000),
    "checkpoint": Range(0, 10**9),
    # experiments
    "interleave": _INTERVAL,
    "minutes": Range(1e-3, 10**6, whole=False),
    # data_prep.py
    "running_test": Range(0, 10**7),
    "final_test": Range(0, 10**7),
    "max_skipped": Range(0, 100, whole=False),
    "processes": Range(1, 1_024, usual=2),
    # benchmarks
    "size": _SIDE,
    "batch": Range(1, 1_000_000, usual=32),
    "pairs": Range(1, 10_000),
    "lines": Range(1, 10_000),
}


def flag(name: str) -> str:
    """An option's name as it is typed: ``batch_size`` -> ``--batch-size``."""
    return "--" + name.replace("_", "-")


def largest_typed(arguments: list[str]) -> str | None:
    """Of the typed options that decide how much memory is needed, the one farthest above its usual value.

    >>> largest_typed(["--features", "128", "--batch-size=100000", "--seed", "9"])
    '--batch-size 100000'
    """
    words = [word for argument in arguments for word in argument.split("=", 1)]
    found = []
    for typed, value in itertools.pairwise(words):
        for name, numbers in RANGES.items():
            # argparse takes abbreviations; of a size both sides count
            if numbers.usual and len(typed) > 3 and flag(name).startswith(typed) and re.fullmatch("[0-9,x]+", value):
                sides = [int(side) for side in re.findall("[0-9]{1,20}", value)]
                found.append((math.prod(sides) / numbers.usual ** len(sides), f"{flag(name)} {value}"))
                break
    share, option = max(found, default=(0, None))
    return option if share >= 1 else None
