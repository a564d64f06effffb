import numpy as np
import pytest

from tinygan.data.split import split

PINNED_RUNNING = [21, 24, 23, 17, 4]
PINNED_FINAL = [61, 85, 76, 31, 34, 49, 97, 87, 80, 39]


@pytest.mark.parametrize("count", [1, 9, 10, 19, 20, 300, 4000, 20_000, 60_000])
def test_three_disjoint_parts_make_the_whole(count):
    parts = split(count)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(count))
    assert all(part.dtype == np.int64 for part in parts)
    assert len(parts.train) > 0
    assert len(parts.running) == min(200, count // 20)
    assert len(parts.final) == min(2000, count // 10)


def test_sizes_of_the_paper():
    assert [len(part) for part in split(60_000)] == [57_800, 200, 2000]


def test_is_the_same_each_time_and_for_ever():
    first, second = split(1000), split(1000)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    # Drawn once and written down: another order would let finished runs be tested on their training images.
    assert split(100).running.tolist() == PINNED_RUNNING
    assert split(100).final.tolist() == PINNED_FINAL


def test_another_seed_gives_another_split():
    assert not np.array_equal(split(1000, seed=0).final, split(1000, seed=1).final)


def test_every_image_is_as_likely_to_be_tested():
    hits = np.zeros(100)
    for seed in range(400):
        hits[split(100, seed).final] += 1
    assert abs(hits - 40).max() < 5 * 6  # binomial: 400 draws at 1/10, standard deviation 6


def test_test_sets_are_a_fair_sample_in_any_prefix():
    assert not np.array_equal(split(60_000).final, np.sort(split(60_000).final))


def test_refuses_no_images():
    with pytest.raises(ValueError, match="0 images"):
        split(0)
