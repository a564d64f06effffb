"""The one table of numbers: what is in a range, how it is read, which option made a run large."""

import math
import re

import pytest

from tinygan.ranges import RANGES, largest_typed

NO_NUMBER = ["", " ", "nan", "NaN", "inf", "-inf", "infinity", "1e400", "-1", "-0.5", "9" * 20, "9" * 5000, "٣", "²",
             "1_0", " 1", "1 ", "0x10", "1e", "None", "True", "--", "1,", "½", "1.0.0"]  # fmt: skip


@pytest.mark.parametrize("name", RANGES)
def test_the_ends_belong_to_a_range_and_nothing_beyond_them(name):
    numbers = RANGES[name]
    for value in (numbers.low, numbers.high):
        assert value in numbers
        assert numbers.read(repr(value)) == value
    step = 1 if numbers.whole else numbers.high
    assert numbers.high + step not in numbers
    assert numbers.low - step not in numbers
    for value in (math.nan, math.inf, True, None, "5", [5], 5.5 if numbers.whole else "5.5"):
        assert value not in numbers


@pytest.mark.parametrize("typed", NO_NUMBER, ids=lambda typed: ascii(typed[:12]))
def test_what_is_no_number_is_not_read_as_one(typed):
    for numbers in RANGES.values():
        with pytest.raises(ValueError, match=re.escape(typed) + "$"):
            numbers.read(typed)


@pytest.mark.parametrize(
    ("typed", "largest"),
    [
        ("--features 128 --batch-size 100000 --seed 9", "--batch-size 100000"),
        ("--features=4096 --batch-size=64", "--features 4096"),
        ("--image-size 1024x2048 --batch-size 64", "--image-size 1024x2048"),
        ("--batch-si 4000", "--batch-size 4000"),
        ("--code-size 60000", "--code-size 60000"),
        ("--log-every 9000000", "--log-every 9000000"),
        ("--batch-size 4 --features 2", None),
        ("--seed 99999999", None),
        ("", None),
    ],
)
def test_the_option_that_made_it_large(typed, largest):
    assert largest_typed(typed.split()) == largest
