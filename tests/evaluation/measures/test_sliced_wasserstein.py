import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import wasserstein_distance

from tinygan.evaluation.measures import sliced_wasserstein as swd
from tinygan.evaluation.measures.sliced_wasserstein import sliced_wasserstein_distance


@pytest.fixture(autouse=True)
def fewer(monkeypatch):
    """Enough to see every effect below, 80 times faster."""
    monkeypatch.setattr(swd, "DIRECTIONS", 32)
    monkeypatch.setattr(swd, "PATCHES", 3000)


def blurred(images: np.ndarray, sigma: float) -> np.ndarray:
    return ndimage.gaussian_filter(images.astype(float), (0, sigma, sigma, 0)).round().astype(np.uint8)


def test_a_set_is_at_distance_0_from_itself(drawn):
    assert sliced_wasserstein_distance(drawn[:50], drawn[:50]) == {"levels": {"32": 0.0, "16": 0.0}, "mean": 0.0}


def test_symmetric_seeded_and_mean_of_the_levels(drawn):
    one, other = drawn[:100], drawn[100:200]
    result = sliced_wasserstein_distance(one, other, seed=1)
    assert result == sliced_wasserstein_distance(one, other, seed=1)
    assert result == sliced_wasserstein_distance(other, one, seed=1)
    assert result["mean"] != sliced_wasserstein_distance(one, other, seed=2)["mean"]
    assert result["mean"] == pytest.approx((result["levels"]["32"] + result["levels"]["16"]) / 2)


def test_one_direction_is_scipys_distance(monkeypatch):
    """With 1-D rows every unit direction is +1 or -1, and the mean over them is the 1-D distance."""
    a, b = np.random.default_rng(0).normal((0, 0.5), (1, 2), (500, 2)).astype(np.float32).T
    expected = wasserstein_distance(a, b)
    assert swd.distance(a[:, None], b[:, None], seed=0) == pytest.approx(expected, rel=1e-5)
    monkeypatch.setattr(swd, "REPEATS", 1)
    rows = np.random.default_rng(1).normal(size=(2, 200, 5)).astype(np.float32)
    directions = swd.rng_for(4, "sliced wasserstein directions").standard_normal((swd.DIRECTIONS, 5))
    directions /= np.sqrt((directions**2).sum(1))[:, None]
    expected = np.mean([wasserstein_distance(rows[0] @ u, rows[1] @ u) for u in directions])
    assert swd.distance(rows[0], rows[1], seed=4) == pytest.approx(expected, rel=1e-5)


def test_a_shift_by_d_in_k_dimensions_is_seen_as_its_mean_projection():
    """Between a and a + d·e, W1 along u is |d u·e|, and E|u·e| in 3 dimensions is 1/2."""
    a = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    distance = swd.distance(a, a + np.float32([2, 0, 0]), seed=0)
    assert distance == pytest.approx(2 * 0.5, abs=4 * 2 / np.sqrt(12 * 128))  # |u·e| is uniform in [0, 1]


def test_the_unit_is_a_thousandth_of_a_standard_deviation():
    """White noise projects to a nearly standard normal distribution, a constant set to 0."""
    noise = np.random.default_rng(0).integers(0, 256, (200, 7, 7, 3), np.uint8)
    result = sliced_wasserstein_distance(np.zeros_like(noise), noise)
    assert result["mean"] == pytest.approx(1000 * np.sqrt(2 / np.pi), rel=0.05)  # E|x| of a standard normal one


def test_tint_and_contrast_do_not_show(drawn):
    images = drawn[:100] // 2
    tinted = images + np.array([0, 40, 90], np.uint8)
    result = sliced_wasserstein_distance(images, tinted)
    assert result["mean"] < 0.01  # of values near 100 below: only float32 rounding is left
    assert sliced_wasserstein_distance(images, images * 2)["mean"] < 0.01


def test_blur_shows_most_at_the_fine_level_and_a_negative_at_the_coarse_one(drawn, monkeypatch):
    monkeypatch.setattr(swd, "PATCHES", 6000)
    real, other = drawn[:300], drawn[300:600]
    floor = sliced_wasserstein_distance(real, other)["levels"]
    soft = sliced_wasserstein_distance(real, blurred(other, 1))["levels"]
    assert soft["32"] > 1.5 * floor["32"]
    assert soft["32"] / floor["32"] > 1.5 * soft["16"] / floor["16"]
    flipped = sliced_wasserstein_distance(real, 255 - other)["levels"]
    assert flipped["16"] > 2 * floor["16"]


def test_fewer_modes_are_farther(drawn):
    real, other = drawn[:300], drawn[300:600]
    collapsed = np.repeat(other[:3], 100, axis=0)
    floor, far = (sliced_wasserstein_distance(real, fake)["mean"] for fake in (other, collapsed))
    assert far > 2 * floor


@pytest.mark.parametrize(("size", "levels"), [((7, 9), ["7"]), ((31, 40), ["31"]), ((65, 70), ["65", "33", "17"])])
def test_levels_by_size(size, levels):
    images = np.random.default_rng(0).integers(0, 256, (4, *size, 3), np.uint8)
    assert list(sliced_wasserstein_distance(images[:2], images[2:])["levels"]) == levels


@pytest.mark.parametrize("count", [3, 300, 3100])
def test_patches_come_from_their_images(count):
    """Image k shows value k, its columns and rows in the other channels: each patch says where it was."""
    images = np.zeros((count, 12, 15, 3), np.uint8)
    images[..., 0] = (np.arange(count) % 251)[:, None, None]
    images[..., 1], images[..., 2] = np.mgrid[:12, :15]
    (patches,) = swd.descriptors(images, seed=0)
    assert patches.shape == (min(128 * count, 3000), 7, 7, 3)
    assert np.array_equal(patches[..., 0], np.broadcast_to(patches[:, :1, :1, 0], patches.shape[:3]))
    uses = np.bincount(patches[:, 0, 0, 0].astype(int), minlength=min(count, 251))
    if count < 251:
        assert np.array_equal(uses, np.full(count, 128))
    assert uses.min() > 0
    top, left = patches[:, 0, 0, 1:].T
    if count > 3:  # 3000 patches: 6 rows and 9 columns, each equally likely, within 4 standard deviations
        assert np.abs(np.bincount(top.astype(int), minlength=6) - 500).max() < 4 * np.sqrt(500)
        assert np.abs(np.bincount(left.astype(int), minlength=9) - 333).max() < 4 * np.sqrt(333)
    assert np.array_equal(patches[:, :, 0, 1] - top[:, None], np.broadcast_to(np.arange(7), (len(patches), 7)))
    assert np.array_equal(patches[:, 0, :, 2] - left[:, None], np.broadcast_to(np.arange(7), (len(patches), 7)))


def test_standardised_by_the_sets_own_channels():
    patches = np.random.default_rng(0).normal((3, 50, 0), (1, 20, 0), (200, 7, 7, 3)).astype(np.float32)
    rows = swd.standardise(patches).reshape(200, 7, 7, 3)
    assert np.allclose(rows.mean((0, 1, 2)), 0, atol=1e-5)
    assert np.allclose(rows.std((0, 1, 2)), [1, 1, 0], atol=1e-5)


def test_refuses_unequal_or_tiny_sets(drawn):
    with pytest.raises(ValueError, match="same count"):
        sliced_wasserstein_distance(drawn[:3], drawn[:2])
    with pytest.raises(ValueError, match="at least 7 pixels"):
        sliced_wasserstein_distance(drawn[:3, :6], drawn[:3, :6])
