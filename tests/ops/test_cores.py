"""The correlation on the CPU's cores against its plain form: both forms, any geometry, any number of threads."""

import numpy as np
import pytest

from tests.ops.test_patches import WINDOWS
from tinygan.ops.cores import NARROW, PatchesOnCores, TilesOnCores, correlation_on_cores
from tinygan.ops.patches import PatchCorrelation, Window
from tinygan.ops.tiles import Tiles
from tinygan.streams import stream
from tinygan.threads import thread_count, use_all_cores

SQUARE = Window((4, 4), (2, 2), (1, 1))
TILED = {
    "even": (SQUARE, (5, 8, 12)),
    "odd-positions": (SQUARE, (3, 10, 6)),
    "odd-sides": (SQUARE, (2, 7, 5)),
    "one-position": (SQUARE, (2, 2, 2)),
    "pad-1x2": (Window((4, 4), (2, 2), (1, 2)), (3, 12, 18)),
    "pad-2": (Window((4, 4), (2, 2), (2, 2)), (3, 6, 10)),
    "no-pad": (Window((4, 4), (2, 2), (0, 0)), (2, 9, 11)),
    "many-images": (SQUARE, (70, 4, 4)),
}


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = thread_count()
    use_all_cores(request.param)
    yield request.param
    use_all_cores(before)


def operands(plain: PatchCorrelation, dtype=np.float64):
    shapes = plain.image_shape, plain.kernel_shape, plain.map_shape, plain.map_shape[-1:], plain.image_shape[-1:]
    return [stream(k, "correlation").standard_normal(shape).astype(dtype) for k, shape in enumerate(shapes)]


def results(form: PatchCorrelation, x, w, dy, map_bias, image_bias):
    a, u, d = form.image(x), form.kernel(w), form.map(dy)
    return {
        "map": form.to_map(a, u),
        "map + b": form.to_map(a, u, map_bias),
        "image": form.to_image(d, u),
        "image + b": form.to_image(d, u, image_bias),
        "kernel": form.to_kernel(a, d),
    }


def assert_same(form, plain, dtype=np.float64, tolerance=1e-13):
    arrays = operands(plain, dtype)
    copies = [array.copy() for array in arrays]
    actual, expected = results(form, *arrays), results(plain, *(array.astype(np.float64) for array in copies))
    for name, value in expected.items():
        assert actual[name].dtype == dtype
        assert actual[name].flags.c_contiguous
        scale = np.abs(value).max()
        np.testing.assert_allclose(actual[name], value, rtol=0, atol=tolerance * scale, err_msg=name)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(("window", "shape"), TILED.values(), ids=TILED)
def test_tiles_equal_patches(window, shape, threads):
    image_shape = (*shape, 5)
    assert_same(TilesOnCores(window, image_shape, 3), PatchCorrelation(window, image_shape, 3))


@pytest.mark.parametrize("channels", [NARROW - 1, NARROW])
@pytest.mark.parametrize("out", [1, 3])
@pytest.mark.parametrize(("window", "shape", "positions"), WINDOWS.values(), ids=WINDOWS)
def test_patches_on_cores_equal_patches(window, shape, positions, out, channels, threads):
    shape = (*shape[:3], channels)
    assert_same(PatchesOnCores(window, shape, out), PatchCorrelation(window, shape, out))


def test_tiles_cost_a_few_roundings():
    # 2,048 terms of random sign: float32 rounds at 6e-8, relative to the largest result.
    shape = (4, 8, 8, 128)
    plain = PatchCorrelation(SQUARE, shape, 64)
    assert_same(TilesOnCores(SQUARE, shape, 64), plain, np.float32, tolerance=2e-6)


def test_the_same_bits_every_time(threads):
    shape = (32, 16, 16, 16)
    form = TilesOnCores(SQUARE, shape, 16)
    arrays = operands(form, np.float32)
    first = results(form, *arrays)
    for _ in range(5):
        for name, value in results(form, *arrays).items():
            np.testing.assert_array_equal(value, first[name])


@pytest.mark.parametrize(
    ("window", "channels", "out", "form"),
    [
        (SQUARE, 64, 128, TilesOnCores),
        (SQUARE, 3, 64, PatchesOnCores),  # an image's three channels make no product worth having
        (Window((3, 3), (1, 1), (1, 1)), 64, 64, PatchesOnCores),
        (Window((4, 4), (1, 1), (0, 0)), 64, 64, PatchesOnCores),
    ],
)
def test_choice_of_the_form(window, channels, out, form):
    assert type(correlation_on_cores(window, (2, 16, 16, channels), out)) is form


def test_nine_products_instead_of_sixteen():
    # Two outputs each way from four taps: 2·2·(2·2 taps)·(2·2 pixels) = 64 products per channel pair and tile, here 36.
    shape = (2, 8, 8, 8)
    tiled, plain = TilesOnCores(SQUARE, shape, 8), PatchCorrelation(SQUARE, shape, 8)
    x, w = operands(plain)[:2]
    products = [form.image(x).size * form.kernel(w).shape[-1] for form in (tiled, plain)]
    assert products[0] / products[1] == 9 / 16


@pytest.mark.parametrize("name", ["image", "map"])
def test_tiles_adjoints(name):
    """Σ A(x)·t = Σ x·Aᵀ(t), and Aᵀ overwrites whatever was there."""
    tiles = Tiles(Window((4, 4), (2, 2), (1, 2)), (7, 10))
    (t, s), positions = tiles.grid, tiles.window.positions((7, 10))
    shape, width = ((2, 7, 10, 3), 12) if name == "image" else ((2, *positions, 3), 3)
    x, y = stream(0, "x").standard_normal(shape), np.empty((9, 2 * t * s, width))
    getattr(tiles, name)(x, out=y)
    upstream, dx = stream(0, "upstream").standard_normal(y.shape), np.full(shape, np.nan)
    getattr(tiles, f"{name}_adjoint")(upstream, out=dx)
    assert float((y * upstream).sum()) == pytest.approx(float((x * dx).sum()), rel=1e-12)
