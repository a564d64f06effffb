import numpy as np
import pytest

from tinygan.data import shapes


@pytest.fixture(scope="session")
def drawn() -> np.ndarray:
    """900 drawn images; nobody may write into them."""
    images = shapes.draw(3, np.arange(900))[0]
    images.setflags(write=False)
    return images


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (120, 32, 32, 3), np.uint8)
