"""Pooling, doubling, padding and cropping by their definitions, and each pair as adjoints."""

import numpy as np
import pytest

from tests.layers.cases import smooth_input
from tinygan.layers import AveragePool, Crop, Layer, NearestDouble, Pad


def test_average_pool_is_the_mean_of_blocks():
    x = smooth_input((2, 4, 6, 3))
    y = AveragePool()(x)[0]
    for i, j in np.ndindex(2, 3):
        block = x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
        np.testing.assert_allclose(y[:, i, j], block.mean(axis=(1, 2)), rtol=0, atol=1e-15)  # four terms below 2


@pytest.mark.parametrize("shape", [(1, 3, 4, 2), (1, 4, 5, 2)], ids=["height", "width"])
def test_average_pool_refuses_odd_sizes(shape):
    with pytest.raises(ValueError, match="even height and width; found"):
        AveragePool()(np.ones(shape))


def test_nearest_double_repeats_pixels():
    x = smooth_input((2, 3, 5, 2))
    np.testing.assert_array_equal(NearestDouble()(x)[0], x.repeat(2, axis=1).repeat(2, axis=2))


def test_what_is_cut_out_is_contiguous():
    """As the kernels of a GPU need it."""
    x = smooth_input((2, 5, 6, 3))
    assert Crop((1, 2))(x)[0].flags.c_contiguous
    assert Pad((1, 1))(x)[1](x).flags.c_contiguous


def test_pad_surrounds_with_zeros_and_crop_takes_them_away():
    x = smooth_input((2, 3, 5, 2))
    y = Pad((2, 1))(x)[0]
    np.testing.assert_array_equal(y, np.pad(x, ((0, 0), (2, 2), (1, 1), (0, 0))))
    np.testing.assert_array_equal(Crop((2, 1))(y)[0], x)


@pytest.mark.parametrize(
    ("layer", "other", "factor"),
    [(AveragePool(), NearestDouble(), 4), (Pad((2, 1)), Crop((2, 1)), 1)],
    ids=["pool-double", "pad-crop"],
)
def test_backward_of_one_is_forward_of_the_other(layer: Layer, other: Layer, factor: int):
    x = smooth_input((2, 6, 4, 3))
    y, backward = layer(x)
    dy = smooth_input(y.shape, seed=1)
    np.testing.assert_allclose(factor * backward(dy), other(dy)[0], rtol=1e-15)
    np.testing.assert_allclose(other(dy)[1](x), factor * y, rtol=1e-15)
