"""A trained run's generator draws in evaluation mode, whatever is drawn beside an image."""

from pathlib import Path

import numpy as np
import pytest

from tinygan.device import open_backend
from tinygan.evaluation.trained import SAMPLE_BATCH, TrainedRun
from tinygan.images import to_uint8
from tinygan.rng import rng_for
from tinygan.training.options import Options
from tinygan.training.runfolder import RunFolder
from tinygan.training.session import build_game

CODE = 6


@pytest.fixture
def run():
    """With batch norm, the only layer to which training and evaluation are not the same, and some statistics."""
    options = Options(norm="bn", features=4, code_size=CODE, image_size=(16, 16), device="cpu")
    backend = open_backend("cpu", "float32")
    game = build_game(options, backend)
    codes = rng_for(0, "trained").standard_normal((20, CODE)).astype(np.float32)
    for _ in range(30):
        game.generator.network(codes, training=True)
    game.generator.parameters.flat[:] *= 3  # so that images differ
    return TrainedRun(RunFolder(Path("nowhere")), options, "best", 30, "", game, backend)


def test_images_are_those_of_evaluation_mode_and_leave_the_statistics_alone(run):
    codes = rng_for(1, "trained").standard_normal((SAMPLE_BATCH + 7, CODE)).astype(np.float32)
    before = run.game.generator.buffers.flat.copy()
    images = run.generate(codes)
    np.testing.assert_array_equal(run.game.generator.buffers.flat, before)
    assert images.shape == (SAMPLE_BATCH + 7, 16, 16, 3)
    assert images.std(axis=0).mean() > 5  # they do differ
    for k in (0, 3, SAMPLE_BATCH, SAMPLE_BATCH + 6):
        alone = to_uint8(run.generator(codes[k : k + 1], training=False)[0])[0]
        # Products of other numbers of rows round differently, now and then to the next of 256 values.
        assert np.abs(images[k].astype(int) - alone).max() <= 1


def test_samples_are_drawn_in_evaluation_mode(run):
    before = run.game.generator.buffers.flat.copy()
    first, *rest = run.samples(SAMPLE_BATCH + 3, seed=5)
    assert [len(first), *map(len, rest)] == [SAMPLE_BATCH, 3]
    codes = rng_for(5, "sample codes", 0).standard_normal((SAMPLE_BATCH, CODE)).astype(np.float32)
    alone = to_uint8(run.generator(codes[7:8], training=False)[0])[0]
    assert np.abs(first[7].astype(int) - alone).max() <= 1
    np.testing.assert_array_equal(run.game.generator.buffers.flat, before)
