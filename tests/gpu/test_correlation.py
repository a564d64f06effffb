"""Convolution and its transpose on the GPU against the formulas: every product, adjoint and bias, for every window."""

import weakref

import numpy as np
import pytest

from tests.gpu.test_kernels import random
from tests.ops.test_patches import WINDOWS
from tinygan.ops import Window, cuda, reference


@pytest.mark.parametrize(("window", "shape", "places"), WINDOWS.values(), ids=WINDOWS.keys())
@pytest.mark.parametrize("transposed", [False, True], ids=["correlate", "correlate_transpose"])
def test_every_product(xp, dtype, close, window, shape, places, transposed):
    name = "correlate_transpose" if transposed else "correlate"
    sides = [shape, (shape[0], *places, 5)]
    if transposed:
        sides = [sides[1], (shape[0], *window.image_size(places), shape[3])]
    x, w = random(sides[0], "x", np.float64), random((*window.kernel, shape[3], 5), "w", np.float64)
    dy, b = random(sides[1], "dy", np.float64), random(sides[1][3:], "b", np.float64)
    own_x, own_w, own_dy, own_b = (xp.asarray(value.astype(dtype)) for value in (x, w, dy, b))
    for bias, own_bias in ((None, None), (b, own_b)):
        y, backward = getattr(reference, name)(x, w, window, bias)
        own_y, own_backward = getattr(cuda, name)(own_x, own_w, window, own_bias)
        close(own_y, y, 10)
        for need in ((True, True), (True, False), (False, True)):
            for actual, expected in zip(own_backward(own_dy, *need), backward(dy, *need), strict=True):
                assert (actual is None) == (expected is None)
                if expected is not None:
                    close(actual, expected, 10)
    np.testing.assert_array_equal(own_x.get(), x.astype(dtype))
    np.testing.assert_array_equal(own_dy.get(), dy.astype(dtype))


def test_the_patches_are_kept_and_not_the_image(xp):
    x, w = xp.zeros((2, 8, 6, 3), np.float32), xp.zeros((4, 4, 3, 5), np.float32)
    image = weakref.ref(x)
    passes = cuda.correlate(x, w, Window((4, 4), (2, 2), (1, 1)))
    del x
    assert passes
    assert image() is None
