"""The order of the training images."""

import threading

import numpy as np
import pytest

from tinygan.data.batches import BatchSource

COUNT, BATCH = 11, 4
TRAIN = np.array([0, 1, 2, 4, 5, 6, 7, 8, 10])  # two images are held out


@pytest.fixture
def source():
    images = np.zeros((COUNT, 2, 2, 3), np.uint8)
    images += np.arange(COUNT, dtype=np.uint8)[:, None, None, None]  # every pixel of image k is k
    return BatchSource(images, TRAIN, BATCH, seed=5)


def drawn(source, iterations):
    return np.concatenate([source.batch(iteration)[:, 0, 0, 0] for iteration in iterations])


def test_every_epoch_shows_every_training_image_once_in_a_new_order(source):
    order = drawn(source, range(1, 10))  # 36 images, 4 epochs of 9; batches straddle them
    epochs = order.reshape(4, len(TRAIN))
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), TRAIN)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_a_batch_depends_on_nothing_but_seed_and_iteration(source):
    forwards = [source.batch(iteration) for iteration in (1, 2, 3, 7)]
    backwards = [source.batch(iteration) for iteration in (7, 3, 2, 1)][::-1]
    np.testing.assert_array_equal(forwards, backwards)
    other = BatchSource(source.images, TRAIN, BATCH, seed=6)
    assert (drawn(source, range(1, 4)) != drawn(other, range(1, 4))).any()


def test_a_batch_larger_than_an_epoch_is_refused(source):
    with pytest.raises(ValueError, match="larger than the 9 training images"):
        BatchSource(source.images, TRAIN, 10, seed=0)


@pytest.fixture
def photos():
    return np.random.default_rng(0).integers(0, 256, (COUNT, 6, 7, 3)).astype(np.uint8)


def test_flips_mirror_about_half_of_the_images_and_nothing_else(photos):
    plain = BatchSource(photos, TRAIN, BATCH, seed=5)
    flipped = BatchSource(photos, TRAIN, BATCH, seed=5, augment=("flip",))
    mirrored = 0
    for iteration in range(1, 101):
        for one, other in zip(plain.batch(iteration), flipped.batch(iteration), strict=True):
            assert np.array_equal(one, other) or np.array_equal(one[:, ::-1], other)
            mirrored += not np.array_equal(one, other)
    assert abs(mirrored - 200) < 5 * 10  # binomial: 400 draws at 1/2, standard deviation 10


def test_half_of_the_images_are_mirrored(photos):
    rows, batch = np.arange(1000) % COUNT, 1000
    source = BatchSource(photos, rows, batch, seed=5, augment=("flip",))
    share = np.mean([source.plan(iteration).flip for iteration in range(1, 201)])
    assert abs(share - 0.5) < 0.005  # 200,000 draws: standard deviation 0.0011
    assert not BatchSource(photos, rows, batch, seed=5, augment=("crop",), size=(4, 4)).plan(1).flip.any()


def test_which_images_are_mirrored_never_changes(photos):
    # Stored: a run that is resumed must go on with the augmentation that it had.
    plan = BatchSource(photos, np.arange(COUNT), COUNT, seed=5, augment=("flip", "crop"), size=(2, 2)).plan(3)
    assert (plan.flip.astype(int).tolist(), plan.top.tolist(), plan.left.tolist()) == (
        [1, 0, 1, 0, 1, 0, 0, 0, 0, 1, 1],
        [0, 1, 4, 2, 0, 0, 2, 1, 1, 2, 4],
        [3, 5, 3, 5, 4, 0, 0, 2, 0, 4, 4],
    )


def test_crops_are_windows_at_every_place_alike(photos):
    size, rows = (4, 5), np.arange(COUNT)
    source = BatchSource(photos, rows, 11, seed=5, augment=("crop",), size=size)
    found = np.zeros((3, 3))
    for iteration in range(1, 91):
        for row, image in zip(source.plan(iteration).rows, source.batch(iteration), strict=True):
            places = [(y, x) for y in range(3) for x in range(3)
                      if np.array_equal(photos[row, y : y + 4, x : x + 5], image)]  # fmt: skip
            assert len(places) == 1
            found[places[0]] += 1
    assert found.sum() == 990
    assert abs(found - 110).max() < 5 * 10  # binomial: 990 draws at 1/9, standard deviation 10


def test_without_crop_smaller_batches_show_the_centre(photos):
    source = BatchSource(photos, TRAIN, BATCH, seed=5, size=(2, 3))
    assert np.array_equal(source.batch(1), photos[source.plan(1).rows, 2:4, 2:5])


def test_augmentation_is_a_function_of_seed_and_iteration_too(photos):
    def source(**changes):
        return BatchSource(photos, TRAIN, BATCH, **{"seed": 5, "augment": ("flip", "crop"), "size": (4, 4)} | changes)

    one = source()
    forwards = [one.batch(iteration) for iteration in (1, 2, 3, 7)]
    backwards = [source().batch(iteration) for iteration in (7, 3, 2, 1)][::-1]
    assert np.array_equal(forwards, backwards)
    assert not np.array_equal(forwards[0], source(seed=6).batch(1))
    places = source(augment=("crop",)).plan(3)
    assert np.array_equal(one.plan(3).top, places.top)  # the one option does not move the other's numbers


def test_the_next_batch_is_gathered_meanwhile(photos):
    source = BatchSource(photos, TRAIN, BATCH, seed=5)
    gather, gathered, may_go_on = source.gather, [], threading.Event()

    def slow(iteration):
        if iteration == 2:
            assert may_go_on.wait(10)
        gathered.append((iteration, threading.current_thread() is threading.main_thread()))
        return gather(iteration)

    source.gather = slow
    source.batch(1)  # returns while the second batch is still being gathered
    assert gathered == [(1, False)]
    may_go_on.set()
    assert np.array_equal(source.batch(2), BatchSource(photos, TRAIN, BATCH, seed=5).batch(2))
    assert gathered[1] == (2, False)


def test_what_goes_wrong_while_gathering_is_raised_where_the_batch_is_wanted(photos):
    source = BatchSource(photos, TRAIN, BATCH, seed=5)

    def broken(iteration):
        raise OSError("the disk is gone")

    source.batch(1)
    source.batch(2)
    source.gather = broken
    source.batch(3)  # gathered before the disk went
    with pytest.raises(OSError, match="the disk is gone"):
        source.batch(4)
