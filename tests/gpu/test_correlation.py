"""The correlation on the GPU against the plain one: its products, adjoints and biases, for every window."""

import numpy as np
import pytest

from tests.gpu.test_kernels import random
from tests.ops.test_patches import WINDOWS
from tinygan.ops.cuda.correlate import CorrelationOnGpu
from tinygan.ops.patches import PatchCorrelation


@pytest.mark.parametrize(("window", "shape", "places"), WINDOWS.values(), ids=WINDOWS.keys())
def test_every_product(xp, dtype, close, window, shape, places):
    plain, ours = (form(window, shape, 5) for form in (PatchCorrelation, CorrelationOnGpu))
    x, w = random(shape, "x", np.float64), random(plain.kernel_shape, "w", np.float64)
    y, b, c = random(plain.map_shape, "y", np.float64), random(5, "b", np.float64), random(shape[3], "c", np.float64)
    device = {name: xp.asarray(value.astype(dtype)) for name, value in {"x": x, "w": w, "y": y, "b": b, "c": c}.items()}
    a, u, d = plain.image(x), plain.kernel(w), plain.map(y)
    own_a, own_u, own_d = ours.image(device["x"]), ours.kernel(device["w"]), ours.map(device["y"])
    close(ours.to_map(own_a, own_u), plain.to_map(a, u), 10)
    close(ours.to_map(own_a, own_u, device["b"]), plain.to_map(a, u, b), 10)
    close(ours.to_image(own_d, own_u), plain.to_image(d, u), 10)
    close(ours.to_image(own_d, own_u, device["c"]), plain.to_image(d, u, c), 10)
    close(ours.to_kernel(own_a, own_d), plain.to_kernel(a, d), 10)
    np.testing.assert_array_equal(device["x"].get(), x.astype(dtype))
    np.testing.assert_array_equal(device["y"].get(), y.astype(dtype))
