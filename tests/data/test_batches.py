"""The order of the training images."""

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


def test_first_shows_training_images_only(source):
    np.testing.assert_array_equal(source.first(100)[:, 0, 0, 0], TRAIN)
    assert len(source.first(3)) == 3
