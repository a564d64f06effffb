"""The correlation on the CPU's cores against its plain form: both forms, any geometry, any number of threads."""

from functools import partial

import numpy as np
import pytest

from tests.ops.test_patches import WINDOWS
from tinygan.ops.cpu import correlate as cores
from tinygan.ops.cpu import tiles
from tinygan.ops.cpu.correlate import (
    FEWEST_CHANNELS,
    MOST_CHANNELS,
    NARROW,
    PatchesOnCores,
    TilesOnCores,
    correlation_on_cores,
    forms_of_larger_batches,
)
from tinygan.ops.cpu.tiles import Tiles
from tinygan.ops.patches import PatchCorrelation, Window
from tinygan.rng import rng_for
from tinygan.runtime.threads import thread_count, use_all_cores

SQUARE = Window((4, 4), (2, 2), (1, 1))
THREE = Window((3, 3), (1, 1), (1, 1))
TILED = {
    "even": (SQUARE, (5, 8, 12)),
    "odd-positions": (SQUARE, (3, 10, 6)),
    "odd-sides": (SQUARE, (2, 7, 5)),
    "one-position": (SQUARE, (2, 2, 2)),
    "pad-1x2": (Window((4, 4), (2, 2), (1, 2)), (3, 12, 18)),
    "pad-2": (Window((4, 4), (2, 2), (2, 2)), (3, 6, 10)),
    "no-pad": (Window((4, 4), (2, 2), (0, 0)), (2, 9, 11)),
    "many-images": (SQUARE, (70, 4, 4)),
    "3x3": (THREE, (3, 8, 12)),
    "3x3-odd-sides": (THREE, (2, 7, 5)),
    "3x3-one-pixel": (THREE, (2, 1, 1)),
    "3x3-no-pad": (Window((3, 3), (1, 1), (0, 0)), (2, 6, 9)),
    "3x3-pad-2x1": (Window((3, 3), (1, 1), (2, 1)), (2, 5, 4)),
    "2x2": (Window((2, 2), (1, 1), (0, 1)), (2, 5, 4)),
    "6x6-stride-2": (Window((6, 6), (2, 2), (2, 2)), (2, 12, 9)),
    "6x6-stride-3": (Window((6, 6), (3, 3), (1, 1)), (2, 13, 17)),
}


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = thread_count()
    use_all_cores(request.param)
    yield request.param
    use_all_cores(before)


def operands(plain: PatchCorrelation, dtype=np.float64):
    shapes = plain.image_shape, plain.kernel_shape, plain.map_shape, plain.map_shape[-1:], plain.image_shape[-1:]
    return [rng_for(k, "correlation").standard_normal(shape).astype(dtype) for k, shape in enumerate(shapes)]


def results(form: PatchCorrelation, x, w, dy, map_bias, image_bias):
    a, u, d = form.image(x), form.kernel(w), form.map(dy)
    return {
        "map": form.to_map(a, u),
        "map + b": form.to_map(a, u, map_bias),
        "image": form.to_image(d, u),
        "image + b": form.to_image(d, u, image_bias),
        "kernel": form.to_kernel(a, d),
        "map, in one": form.image_to_map(x, u),
        "map + b, in one": form.image_to_map(x, u, map_bias),
        "image, in one": form.map_to_image(dy, u),
        "image + b, in one": form.map_to_image(dy, u, image_bias),
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


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("window", "shape"), TILED.values(), ids=TILED)
def test_tiles_equal_patches(window, shape, m, threads):
    image_shape = (*shape, 5)
    assert_same(TilesOnCores(window, image_shape, 3, m), PatchCorrelation(window, image_shape, 3))


@pytest.mark.parametrize("channels", [NARROW - 1, NARROW])
@pytest.mark.parametrize("out", [1, 3])
@pytest.mark.parametrize(("window", "shape", "positions"), WINDOWS.values(), ids=WINDOWS)
def test_patches_on_cores_equal_patches(window, shape, positions, out, channels, threads):
    shape = (*shape[:3], channels)
    assert_same(PatchesOnCores(window, shape, out), PatchCorrelation(window, shape, out))


@pytest.mark.parametrize(("window", "m", "times"), [(SQUARE, 2, 1.4), (SQUARE, 3, 2), (SQUARE, 4, 3.5),
                                                    (THREE, 2, 2), (THREE, 3, 3.5)])  # fmt: skip
def test_rounding_of_tiles(window, m, times):
    """In float32 the root mean square of the error stays within that of the plain form times what tiles.py says."""
    shape = (4, 16, 16, 128)
    plain = PatchCorrelation(window, shape, 64)
    arrays = operands(plain, np.float32)
    exact = results(plain, *(array.astype(np.float64) for array in arrays))
    errors = [
        {name: np.square(value - exact[name]).mean() ** 0.5 for name, value in results(form, *arrays).items()}
        for form in (TilesOnCores(window, shape, 64, m), plain)
    ]
    for name, error in errors[0].items():
        assert error < times * errors[1][name], name


def test_shards_take_the_cache_into_account(monkeypatch, threads):
    """Any cut gives the same: many shards, blocks of an image, and blocks that do not divide the shard."""
    shape = (7, 16, 16, 8)
    plain = PatchCorrelation(SQUARE, shape, 8)
    for elements, rows, block in ((1, 1, 1), (6000, 1, 5000), (2**18, 10, 2**12)):
        monkeypatch.setattr(cores, "MOST_ELEMENTS", elements)
        monkeypatch.setattr(cores, "ENOUGH_ROWS", rows)
        monkeypatch.setattr(cores, "FEWEST_ROWS", 1)
        monkeypatch.setattr(tiles, "BLOCK", block)
        assert_same(TilesOnCores(SQUARE, shape, 8, 4), plain)
        assert_same(PatchesOnCores(SQUARE, shape, 8), plain)


@pytest.mark.parametrize("form", [partial(TilesOnCores, m=2), partial(TilesOnCores, m=4), PatchesOnCores])
def test_kernels_in_parts(form, threads):
    shape = (2, 8, 8, FEWEST_CHANNELS * 2 + 3)
    out = MOST_CHANNELS + 5
    assert_same(form(SQUARE, shape, out), PatchCorrelation(SQUARE, shape, out))
    shape = (2, 8, 8, MOST_CHANNELS + 5)
    assert_same(form(SQUARE, shape, 3), PatchCorrelation(SQUARE, shape, 3))


def test_the_same_bits_every_time(threads):
    shape = (32, 16, 16, 16)
    form = TilesOnCores(SQUARE, shape, 16, 4)
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
        (THREE, 64, 64, TilesOnCores),
        (Window((1, 1), (1, 1), (0, 0)), 64, 64, PatchesOnCores),
        (Window((4, 4), (1, 1), (0, 0)), 64, 64, PatchesOnCores),
        (Window((4, 3), (1, 1), (0, 0)), 64, 64, PatchesOnCores),
    ],
)
def test_choice_of_the_form(window, channels, out, form):
    assert type(correlation_on_cores(window, (2, 16, 16, channels), out)) is form


@pytest.mark.parametrize(
    ("positions", "images", "m"),
    [
        (4, 16, 2),  # few tiles: a kernel at 25 points would cost more than it saves
        (4, 100, 4),
        (8, 16, 4),
        (5, 32, 3),  # 2×2 tiles cover it with 3 as with 4, at 16 points instead of 25
        (10, 32, 2),  # five tiles of 2 without waste
        (80, 1, 4),
    ],
)
def test_choice_of_the_tiles(positions, images, m):
    form = correlation_on_cores(SQUARE, (images, 2 * positions, 2 * positions, 64), 128)
    assert form.tiles.m == m


def test_a_part_of_a_batch_in_the_form_of_the_whole():
    def m():
        return correlation_on_cores(SQUARE, (16, 8, 8, 64), 128).tiles.m

    with forms_of_larger_batches(100 / 16):
        assert m() == 4
    assert m() == 2


@pytest.mark.parametrize(("window", "m", "share"), [(SQUARE, 2, 9 / 16), (SQUARE, 4, 25 / 64), (THREE, 2, 16 / 36)])
def test_number_of_products(window, m, share):
    shape = (2, 24, 24, 8)
    tiled, plain = TilesOnCores(window, shape, 8, m), PatchCorrelation(window, shape, 8)
    x, w = operands(plain)[:2]
    products = [form.image(x).size * form.kernel(w).shape[-1] for form in (tiled, plain)]
    assert products[0] / products[1] == pytest.approx(share)


@pytest.mark.parametrize("m", [2, 4])
@pytest.mark.parametrize("window", [Window((4, 4), (2, 2), (1, 2)), Window((3, 3), (1, 1), (1, 0))])
@pytest.mark.parametrize("name", ["image", "map", "kernel"])
def test_tiles_adjoints(name, window, m):
    """Σ A(x)·t = Σ x·Aᵀ(t), and Aᵀ overwrites whatever was there."""
    form = Tiles(window, (7, 10), m)
    T, pixels = 2 * form.grid[0] * form.grid[1], window.stride[0] ** 2
    shape, values = {
        "image": ((2, 7, 10, 3), (form.points, T, pixels * 3)),
        "map": ((2, *window.positions((7, 10)), 3), (form.points, T, 3)),
        "kernel": ((*window.kernel, 3, 5), (form.points, pixels, 3, 5)),
    }[name]
    x, y = rng_for(0, "x").standard_normal(shape), np.empty(values)
    getattr(form, name)(x, out=y)
    upstream, dx = rng_for(0, "upstream").standard_normal(y.shape), np.full(shape, np.nan)
    getattr(form, f"{name}_adjoint")(upstream, out=dx)
    assert float((y * upstream).sum()) == pytest.approx(float((x * dx).sum()), rel=1e-12)
