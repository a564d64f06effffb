"""Convolutions against oracles that share no code with them: SciPy, loops, a case by hand, and each other's adjoint."""

import weakref

import numpy as np
import pytest
from scipy.signal import correlate

from tests.layers.cases import prepare, smooth_input
from tinygan.layers import Conv2d, ConvTranspose2d
from tinygan.rng import rng_for

# kernel, stride, pad, all (vertical, horizontal), and a map (H, W): the input of conv, any size of ConvTranspose2d
GEOMETRIES = {
    "4x4-stride2-pad1": ((4, 4), (2, 2), (1, 1), (7, 5)),
    "4x4-stride2-pad2": ((4, 4), (2, 2), (2, 2), (6, 9)),
    "4x4-stride2-pad1x2": ((4, 4), (2, 2), (1, 2), (8, 6)),
    "3x3-pad1": ((3, 3), (1, 1), (1, 1), (5, 3)),
    "1x1": ((1, 1), (1, 1), (0, 0), (3, 5)),
    "3x5-full-map": ((3, 5), (1, 1), (0, 0), (3, 5)),
    "2x3-stride3x2-pad0x1": ((2, 3), (3, 2), (0, 1), (9, 6)),
}
# (C_in, C_out): from 8 channels on the products are of tiles, below of patches
both_widths = pytest.mark.parametrize("channels", [(3, 2), (8, 9)], ids=["narrow", "wide"])
every_geometry = pytest.mark.parametrize(
    ("kernel", "stride", "pad", "size"), GEOMETRIES.values(), ids=GEOMETRIES.keys()
)


def conv_by_scipy(x, w, b, stride, pad):
    """Correlate every channel on its own, sum over channels, keep every stride-th position."""
    (ph, pw), (sh, sw) = pad, stride
    padded = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    channels = range(x.shape[-1])
    return np.stack(
        [
            [sum(correlate(image[..., c], w[..., c, o], "valid", "direct") for c in channels)[::sh, ::sw] + b[o]
             for image in padded]
            for o in range(w.shape[-1])
        ],
        axis=-1,
    )  # fmt: skip


def conv_transpose_by_loops(x, w, b, stride, pad):
    """The docstring's formula: x[n,i,j,c]·w[u,v,o,c] is added to y[n, i·s + u − p, j·s + v − p, o], b[o] to all."""
    N, H, W, C = x.shape
    kh, kw, C_out, _ = w.shape
    y = np.zeros((N, (H - 1) * stride[0] + kh - 2 * pad[0], (W - 1) * stride[1] + kw - 2 * pad[1], C_out)) + b
    for n, i, j, c, u, v, o in np.ndindex(N, H, W, C, kh, kw, C_out):
        row, column = i * stride[0] + u - pad[0], j * stride[1] + v - pad[1]
        if 0 <= row < y.shape[1] and 0 <= column < y.shape[2]:
            y[n, row, column, o] += x[n, i, j, c] * w[u, v, o, c]
    return y


def assert_close(actual, expected):
    # Sums of at most 144 products in two orders, on tiles with three times the rounding: some 1e-16 of the largest.
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-14 * 10 * np.abs(expected).max())


@every_geometry
@both_widths
@pytest.mark.parametrize("batch", [1, 2])
def test_conv_equals_scipy(kernel, stride, pad, size, channels, batch):
    layer = Conv2d(*channels, kernel, stride, pad)
    parameters = prepare(layer)
    x = smooth_input((batch, *size, channels[0]))
    assert_close(layer(x)[0], conv_by_scipy(x, parameters["w"], parameters["b"], stride, pad))


@every_geometry
@both_widths
@pytest.mark.parametrize("batch", [1, 2])
def test_conv_transpose_equals_loops(kernel, stride, pad, size, channels, batch):
    layer = ConvTranspose2d(*channels, kernel, stride, pad)
    parameters = prepare(layer)
    x = smooth_input((batch, *(min(side, 4) for side in size), channels[0]))
    assert_close(layer(x)[0], conv_transpose_by_loops(x, parameters["w"], parameters["b"], stride, pad))


@every_geometry
def test_loops_are_the_adjoint_of_scipys_convolution(kernel, stride, pad, size):
    """<conv(a), b> = <a, convT(b)> for the two oracles themselves, on an image that the windows fill."""
    rng = rng_for(0, "adjoint")
    positions = tuple((side + 2 * p - k) // s + 1 for side, k, s, p in zip(size, kernel, stride, pad, strict=True))
    image = tuple((n - 1) * s + k - 2 * p for n, k, s, p in zip(positions, kernel, stride, pad, strict=True))
    a, b = rng.standard_normal((2, *image, 3)), rng.standard_normal((2, *positions, 2))
    w = rng.standard_normal((*kernel, 3, 2))
    down, up = conv_by_scipy(a, w, np.zeros(2), stride, pad), conv_transpose_by_loops(b, w, np.zeros(3), stride, pad)
    assert down.shape == b.shape
    assert up.shape == a.shape
    # Sums of at most 600 rounded products, relative to the factors' sizes.
    assert abs((down * b).sum() - (a * up).sum()) <= 1e-13 * np.linalg.norm(down) * np.linalg.norm(b)


@every_geometry
@both_widths
@pytest.mark.parametrize("batch", [1, 2])
def test_layers_are_each_others_adjoint(kernel, stride, pad, size, channels, batch):
    C, K = channels
    up, down = ConvTranspose2d(K, C, kernel, stride, pad, bias=False), Conv2d(C, K, kernel, stride, pad, bias=False)
    w = prepare(up)["w"]
    prepare(down)["w"][...] = w  # the same kernel array: (kh, kw, C, K)
    b = smooth_input((batch, *down.window.positions(size), K))
    y = up(b)[0]
    a = smooth_input(y.shape, seed=1)
    z = down(a)[0]
    assert abs((z * b).sum() - (a * y).sum()) <= 1e-13 * np.linalg.norm(z) * np.linalg.norm(b)  # as above


def test_conv_transpose_by_hand():
    """Two pixels 2 and −3 side by side, kernel 1 2 3 / 4 5 6, stride 2, padding (0, 1): overlap at one column.

    Unpadded, 2·kernel covers columns 0-2 and −3·kernel columns 2-4, so column 2 holds 2·3 − 3·1 = 3 and
    2·6 − 3·4 = 0; the padding takes columns 0 and 4 away, and the bias adds 10.
    """
    x = np.array([2.0, -3.0]).reshape(1, 1, 2, 1)
    w = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    expected = 10 + np.array([[4.0, 3.0, -6.0], [10.0, 0.0, -15.0]])
    layer = ConvTranspose2d(1, 1, (2, 3), stride=2, pad=(0, 1))
    parameters = prepare(layer)
    parameters["w"][..., 0, 0], parameters["b"][...] = w, 10
    np.testing.assert_array_equal(layer(x)[0][0, ..., 0], expected)
    loops = conv_transpose_by_loops(x, w.reshape(2, 3, 1, 1), np.array([10.0]), (2, 2), (0, 1))
    np.testing.assert_array_equal(loops[0, ..., 0], expected)


def test_conv_by_hand():
    """Kernel 1 2 / 3 4 on 1 -2 3 / 0 5 -1 with stride (1, 2) and one column of zeros on either side: not flipped."""
    layer = Conv2d(1, 1, 2, stride=(1, 2), pad=(0, 1))
    parameters = prepare(layer)
    parameters["w"][..., 0, 0], parameters["b"][...] = [[1.0, 2.0], [3.0, 4.0]], -1
    x = np.array([[1.0, -2.0, 3.0], [0.0, 5.0, -1.0]]).reshape(1, 2, 3, 1)
    first, second = 2 * 1 + 4 * 0, 1 * -2 + 2 * 3 + 3 * 5 + 4 * -1
    np.testing.assert_array_equal(layer(x)[0][0, 0, :, 0], [first - 1, second - 1])


@pytest.mark.parametrize("size", [(5, 4), (16, 12)], ids=["small-tiles", "large-tiles"])
@pytest.mark.parametrize("build", [Conv2d, ConvTranspose2d])
@pytest.mark.parametrize("window", [(4, 2, 1), (3, 1, 1)], ids=["4x4-stride2", "3x3"])
def test_a_pixel_that_is_not_a_number_spoils_its_own_image_only(build, window, size):
    """On tiles it spoils more of its image than its windows; of the other images not a bit."""
    layer = build(8, 8, *window)
    prepare(layer)
    clean = smooth_input((5, *size, 8))
    for value in (np.nan, np.inf, 1e300):
        x = clean.copy()
        x[2, 1, 1, 3] = value
        with np.errstate(invalid="ignore", over="ignore"):
            y, backward = layer(x)
            dy = smooth_input(y.shape, seed=1)
            spoilt_dy = dy.copy()
            spoilt_dy[1, 1, 1, 4] = value
            dx = backward(spoilt_dy)
        expected, clean_backward = layer(clean)
        others = [0, 1, 3, 4]
        np.testing.assert_array_equal(y[others], expected[others])
        others = [0, 2, 3, 4]
        np.testing.assert_array_equal(dx[others], clean_backward(dy)[others])
        assert not np.array_equal(y[2], expected[2])


@both_widths
def test_a_convolution_keeps_the_patches_and_not_the_image(channels):
    layer, x = Conv2d(*channels, 4, 2, 1), smooth_input((2, 8, 6, channels[0]))
    prepare(layer)
    image = weakref.ref(x)
    passes = layer(x)
    del x
    assert passes
    assert image() is None
