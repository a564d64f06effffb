import numpy as np
import pytest

from tinygan.evaluation.measures import inputs
from tinygan.evaluation.measures.moments import moment_differences, moments


def test_agrees_with_numpy_whatever_the_blocks(drawn, monkeypatch):
    whole = moments(drawn)
    assert whole["mean"] == pytest.approx(drawn.mean((0, 1, 2)))
    assert whole["deviation"] == pytest.approx(drawn.std((0, 1, 2)))
    monkeypatch.setattr(inputs.blocks, "__defaults__", (7,))
    assert moments(drawn) == whole


def test_bright_sets_do_not_overflow():
    bright = np.full((300, 64, 64, 3), 255, np.uint8)  # a sum of squares of 8e10
    bright[::2] -= 1
    assert moments(bright)["mean"] == [254.5] * 3
    assert moments(bright)["deviation"] == [0.5] * 3


def test_tint_and_contrast(drawn):
    images = drawn[:100] // 2
    tinted = moment_differences(images, images + np.array([0, 10, 20], np.uint8))
    assert tinted["mean"] == pytest.approx([0, 10, 20])
    assert tinted["deviation"] == pytest.approx([0, 0, 0])
    assert moment_differences(images, images * 2)["deviation"] == pytest.approx(tinted["real"]["deviation"])


def test_dead_pixels_need_all_channels_and_images(noise):
    marked = noise.copy()
    marked[:, :4, :8] = 7
    marked[:, 20, :, 0] = 7  # one channel alone
    marked[:60, 25] = 7  # half of the images
    assert moments(marked)["dead"] == 32 / 1024
    assert moment_differences(noise, marked)["dead"] == 32 / 1024
    assert moment_differences(marked, noise)["dead"] == -32 / 1024
    assert moments(np.repeat(noise[:1], 5, axis=0))["dead"] == 1


def test_refuses_single_images_and_unequal_sets(noise):
    with pytest.raises(ValueError, match="at least 2 images"):
        moments(noise[:1])
    with pytest.raises(ValueError, match="same count"):
        moment_differences(noise[:3], noise[:4])
