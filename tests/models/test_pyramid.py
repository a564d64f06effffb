"""Sizes and paddings of every level, for every even side from 8 to 256 (notes A2)."""

import numpy as np
import pytest

from tinygan.errors import UsageError
from tinygan.models.dcgan import discriminator, generator
from tinygan.models.pyramid import default_levels, pyramid
from tinygan.ops import Window

SIDES = range(8, 257, 2)


def test_default_levels():
    expected = {8: 1, 14: 1, 16: 2, 32: 3, 36: 3, 64: 4, 128: 5, 160: 5, 178: 5, 224: 5, 226: 6, 256: 6}
    assert {side: default_levels((side, side)) for side in expected} == expected
    assert default_levels((8, 64)) == default_levels((64, 8)) == 4  # the longer side counts


@pytest.mark.parametrize(
    ("side", "expected", "pads"),
    [
        (8, [8, 4], [1]),
        (10, [10, 5], [1]),  # no extra padding at the last level
        (36, [36, 18, 10, 5], [1, 2, 1]),
        (178, [178, 90, 46, 24, 12, 6], [2, 2, 2, 1, 1]),
        (218, [218, 110, 56, 28, 14, 7], [2, 2, 1, 1, 1]),
    ],
)
def test_sides_counted_by_hand(side, expected, pads):
    assert pyramid((side, side)) == ([(s, s) for s in expected], [(p, p) for p in pads])


@pytest.mark.parametrize("side", SIDES)
def test_every_even_side(side):
    sides, pads = pyramid((side, 8))
    heights = [height for height, _ in sides]
    assert len(pads) == len(sides) - 1 == default_levels((side, 8))
    assert all(height % 2 == 0 for height in heights[:-1])
    assert 4 <= heights[-1] <= 7
    for size, smaller, pad in zip(sides[:-1], sides[1:], pads, strict=True):
        window = Window((4, 4), (2, 2), pad)
        assert window.positions(size) == smaller  # what D's convolution makes of it
        assert window.image_size(smaller) == size  # and G's transposed convolution, on the way back
        assert pad[0] in (1, 2)


def test_axes_do_not_mix():
    rng = np.random.default_rng(0)
    for H, W in rng.choice(SIDES, (40, 2)):
        longer = max(H, W)  # decides the number of levels
        heights, widths = pyramid((H, longer)), pyramid((longer, W))
        for part, expected in enumerate(pyramid((H, W))):  # sides, then pads
            assert expected == [(a[0], b[1]) for a, b in zip(heights[part], widths[part], strict=True)]


def test_explicit_levels():
    assert pyramid((36, 12), levels=1) == ([(36, 12), (18, 6)], [(1, 1)])
    assert pyramid((36, 12), levels=2) == ([(36, 12), (18, 6), (9, 3)], [(1, 1), (1, 1)])
    assert pyramid((36, 12), levels=4)[0] == [(36, 12), (18, 6), (10, 4), (6, 2), (3, 1)]


@pytest.mark.parametrize(
    ("size", "levels", "message"),
    [
        ((9, 16), None, r"16x9.*must be even; try 10"),
        ((16, 31), None, r"31x16.*must be even; try 32"),
        ((0, 16), None, r"16x0"),
        ((6, 4), None, r"4x6 is too small.*at least 8"),
        ((16, 16), 0, r"levels is 0"),
        ((16, 16), -1, r"levels is -1"),
    ],
    ids=["odd-height", "odd-width", "zero", "too-small", "levels-0", "levels-negative"],
)
def test_sizes_and_levels_that_cannot_be(size, levels, message):
    with pytest.raises(UsageError, match=message):
        pyramid(size, levels)
    with pytest.raises(UsageError, match=message):
        generator(size, code_size=3, features=2, norm="none", levels=levels)
    with pytest.raises(UsageError, match=message):
        discriminator(size, features=2, norm="none", levels=levels)


@pytest.mark.parametrize(
    ("size", "most"), [((8, 8), 3), ((12, 18), 5), ((2, 16), 4), ((36, 8), 6)], ids=["8x8", "18x12", "16x2", "8x36"]
)
def test_too_many_levels(size, most):
    """A side of 2 is padded back to 2, so there is room until the longer one gets there; its last level makes it 1."""
    assert max(pyramid(size, most)[0][-1]) == 1
    for levels in (most + 1, 50):
        with pytest.raises(UsageError, match=f"{levels} levels are too many .* at most {most}$"):
            pyramid(size, levels)


@pytest.mark.parametrize("norm", ["WN", "", "batch"])
def test_unknown_norm(norm):
    for build in (lambda: generator((16, 16), 3, 2, norm), lambda: discriminator((16, 16), 2, norm)):
        with pytest.raises(UsageError, match="none, bn, wn, wn-affine"):
            build()
