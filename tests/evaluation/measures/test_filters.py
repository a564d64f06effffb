import numpy as np
import pytest
from scipy import ndimage

from tinygan.evaluation.measures import filters


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(2, 13, 16, 3))


def test_separable_is_scipys_correlation_inside(images):
    taps = np.array([0.1, -0.4, 2.0, 0.7])  # lopsided: a convolution would differ
    expected = ndimage.correlate(images, np.multiply.outer(taps, taps)[None, :, :, None])
    assert np.allclose(filters.separable(images, taps), expected[:, 2:-1, 2:-1], atol=1e-12)


def test_gaussian_window_is_scipys(images):
    expected = ndimage.gaussian_filter(images, (0, 1.5, 1.5, 0), radius=(0, 5, 5, 0))[:, 5:-5, 5:-5]
    assert np.allclose(filters.separable(images, filters.gaussian(11, 1.5)), expected, atol=1e-12)
    even = filters.gaussian(8, 1.1)
    assert even.sum() == pytest.approx(1)
    assert np.allclose(even, even[::-1])


def test_shrink_blurs_and_takes_every_second_pixel(images):
    blurred = images
    for axis in (1, 2):
        blurred = ndimage.correlate1d(blurred, [1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16], axis, mode="mirror")
    assert np.allclose(filters.shrink(images), blurred[:, ::2, ::2], atol=1e-6)
    assert filters.shrink(images).shape == (2, 7, 8, 3)


def test_constants_pass_unchanged():
    constant = np.full((1, 16, 13, 3), 7.0)
    assert np.allclose(filters.grow(filters.shrink(constant), 16, 13), constant, atol=1e-6)


def test_grow_is_four_times_the_adjoint_of_shrink_away_from_the_border(images):
    small = np.zeros((2, 7, 8, 3))
    small[:, 2:5, 2:6] = np.random.default_rng(2).normal(size=(2, 3, 4, 3))
    inner = (filters.shrink(images) * small).sum()
    assert (images * filters.grow(small, 13, 16)).sum() == pytest.approx(4 * inner)


def test_the_pyramid_adds_up_to_the_image(images):
    fine, middle, rest = filters.laplacian_pyramid(images, 3)
    assert [level.shape[1:3] for level in (fine, middle, rest)] == [(13, 16), (7, 8), (4, 4)]
    again = filters.grow(filters.grow(rest, 7, 8) + middle, 13, 16) + fine
    assert np.allclose(again, images)
    assert np.array_equal(rest, filters.shrink(filters.shrink(images)))
    assert filters.laplacian_pyramid(images, 1)[0] is images
