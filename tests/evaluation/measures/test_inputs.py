import numpy as np
import pytest

from tinygan.evaluation.measures import inputs
from tinygan.evaluation.measures.inputs import blocks, check, check_pair


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 8, 8, 3)), np.zeros((8, 8, 3), np.uint8), np.zeros((2, 8, 8, 1), np.uint8), [[0]], None],
)
def test_only_8_bit_colour_images(images):
    with pytest.raises(ValueError, match="uint8"):
        check(images)


def test_counts_and_shapes():
    images = np.zeros((3, 8, 8, 3), np.uint8)
    check(images, at_least=3)
    with pytest.raises(ValueError, match="at least 4 images"):
        check(images, at_least=4)
    check_pair(images, images)
    for other in (images[:2], images[:, :7]):
        with pytest.raises(ValueError, match="same count and image size"):
            check_pair(images, other)
    with pytest.raises(ValueError, match="at least 1 images"):
        check_pair(images[:0], images[:0])


def test_blocks_are_the_whole_set_in_order(monkeypatch):
    monkeypatch.setattr(inputs, "BLOCK", 3)
    images = np.arange(7 * 3, dtype=np.uint8).reshape(7, 1, 1, 3)
    parts = list(blocks(images))
    assert [len(part) for part in parts] == [3, 3, 1]
    assert np.array_equal(np.concatenate(parts), images)
    assert all(np.shares_memory(part, images) for part in parts)
