"""A game small enough to be trained in a test: 4 features, 16×12 images, 48 of them."""

import numpy as np
import pytest

from tinygan import data
from tinygan.data.imageset import ImageSet
from tinygan.rng import rng_for
from tinygan.training.options import Options

# In place of the DCGAN: two levels, G's inner one of two blocks, so that G and D differ.
TINY_RESNET = {"model": "resnet", "d_features": [3, 5], "g_features": [4, 6], "d_blocks": [1, 1], "g_blocks": [1, 2]}


def log_of(folder):
    """The lines of a run's log, without what a clock has said."""
    times = {"images_per_second", "seconds"}
    return [{name: value for name, value in line.items() if name not in times} for line in folder.read_log()]


@pytest.fixture
def tiny_data(monkeypatch):
    """Every data set is 48 random images of the wanted size."""

    def load(dataset, data_dir, size, crop):
        images = rng_for(0, "test images").integers(0, 256, (48, *size, 3)).astype(np.uint8)
        return ImageSet(dataset, images, None, "random images")

    monkeypatch.setattr(data, "load", load)


@pytest.fixture
def tiny_options(tmp_path, tiny_data):
    """A function from changed options to the options of a tiny run in the test's own folder."""

    def options(**changes):
        tiny = {
            "image_size": (12, 16),
            "features": 4,
            "code_size": 5,
            "batch_size": 7,
            "iterations": 13,
            "learning_rate": 1e-3,
            "device": "cpu",
            "out": str(tmp_path / "runs"),
            "log_every": 4,
            "sample_every": 5,
            "test_every": 5,
            "save_every": 3,
            "keep_every": 10,
        }
        return Options(**(tiny | changes))

    return options
