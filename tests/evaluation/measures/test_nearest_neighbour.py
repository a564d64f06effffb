import numpy as np
import pytest
from scipy.spatial.distance import cdist

from tinygan.evaluation.measures import nearest_neighbour as module
from tinygan.evaluation.measures.nearest_neighbour import accuracy, nearest_neighbour_test


@pytest.mark.parametrize("rows", [7, 512])
def test_agrees_with_all_distances_at_once(rows, monkeypatch):
    monkeypatch.setattr(module, "ROWS", rows)
    real, fake = np.random.default_rng(0).normal([[[0]], [[0.5]]], [[[1]], [[0.6]]], (2, 60, 4))
    distances = cdist(np.concatenate([real, fake]), np.concatenate([real, fake]))
    np.fill_diagonal(distances, np.inf)
    nearest_is_real = distances.argmin(1) < 60
    result = accuracy(real, fake)
    assert result["real"] == pytest.approx(nearest_is_real[:60].mean())
    assert result["fake"] == pytest.approx(1 - nearest_is_real[60:].mean())
    assert result["both"] == pytest.approx((result["real"] + result["fake"]) / 2)
    assert result["real"] < 0.6 < 0.7 < result["fake"]  # the two halves differ: none can stand for the other
    swapped = accuracy(fake, real)
    assert (swapped["real"], swapped["fake"]) == (result["fake"], result["real"])


def test_one_distribution_gives_a_half():
    real, fake = np.random.default_rng(1).normal(size=(2, 800, 8))
    result = accuracy(real, fake)
    # The labels of neighbours are nearly independent; mutual neighbours at most double the variance.
    assert abs(result["both"] - 0.5) < 4 * 0.5 * np.sqrt(2 / 1600)


def test_copies_give_0_and_strangers_1(drawn, noise):
    real = drawn[:120]
    for space in nearest_neighbour_test(real, real).values():
        assert space == {"real": 0.0, "fake": 0.0, "both": 0.0}
    for space in nearest_neighbour_test(real, noise).values():
        assert space["real"] == 1
    assert nearest_neighbour_test(real, 255 - real)["pixels"]["both"] == 1


def test_collapse_shows_in_the_halves_apart(drawn):
    real, other = drawn[:300], drawn[300:600]
    for space in nearest_neighbour_test(real, np.repeat(other[:2], 150, axis=0)).values():
        assert space["fake"] == 1
    modes = np.clip(np.repeat(real[:20], 15, axis=0) + np.random.default_rng(0).integers(1, 4, (300, 1, 1, 1)), 0, 255)
    for space in nearest_neighbour_test(real, modes.astype(np.uint8)).values():
        assert space["fake"] > 0.9


def test_distances_of_bright_images_are_exact():
    """Squared lengths of 2e8, distances of 6: float32 would round the one to 16."""
    rows = 250 + (np.random.default_rng(0).random((2, 50, 3072)) < 0.001).astype(np.uint8)
    distances = cdist(*[np.concatenate(rows).astype(float)] * 2, "sqeuclidean")
    np.fill_diagonal(distances, np.inf)
    ours, theirs = distances[:50, :50].min(1), distances[:50, 50:].min(1)
    assert accuracy(*rows)["real"] == ((ours < theirs) + (ours == theirs) / 2).mean()


def test_features_are_fitted_on_the_real_images(drawn):
    """On the fakes, which are all the same, there would be nothing to fit and every distance a tie."""
    assert nearest_neighbour_test(drawn[:60], np.repeat(drawn[60:61], 60, axis=0))["pca"]["fake"] == 1


def test_ties_count_half():
    """Each image is there once on either side and twice on its own: all nearest distances are 0."""
    rows = np.random.default_rng(0).integers(0, 256, (40, 3072), np.uint8)
    twice = np.repeat(rows, 2, axis=0)
    assert accuracy(twice, twice[::-1]) == {"real": 0.5, "fake": 0.5, "both": 0.5}


def test_independent_of_the_order(drawn):
    order = np.random.default_rng(0).permutation(100)
    real, fake = drawn[:100].reshape(100, -1), drawn[100:200].reshape(100, -1)
    assert accuracy(real, fake) == accuracy(real[order], fake[order[::-1]])


def test_whitened_features_see_what_pixels_do_not():
    """Four bright areas vary a lot, one pixel little, and only that one differs between the sets, by 4 deviations."""
    random = np.random.default_rng(0)
    images = np.zeros((2, 150, 8, 8, 3))
    for k in range(4):
        images[:, :, 2 * k : 2 * k + 2] += random.normal(128, 40, (2, 150, 1, 1, 1))
    images[:, :, 7, 7] = random.normal([[[40]], [[48]]], 2, (2, 150, 1))
    result = nearest_neighbour_test(*np.clip(images, 0, 255).round().astype(np.uint8))
    assert result["pca"]["both"] > 0.9
    assert result["pixels"]["both"] < 0.6


def test_deterministic_and_refuses_unequal_sets(drawn):
    assert nearest_neighbour_test(drawn[:50], drawn[50:100], 3) == nearest_neighbour_test(drawn[:50], drawn[50:100], 3)
    with pytest.raises(ValueError, match="same count"):
        nearest_neighbour_test(drawn[:50], drawn[50:99])
    with pytest.raises(ValueError, match="equally many"):
        accuracy(np.zeros((3, 2)), np.zeros((4, 2)))
    with pytest.raises(ValueError, match="at least 2"):
        accuracy(np.zeros((1, 2)), np.zeros((1, 2)))
