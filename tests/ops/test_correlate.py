"""Convolution on the CPU's cores against its formula: both algorithms, any geometry, any number of threads."""

from functools import partial

import numpy as np
import pytest

from tests.ops.test_patches import WINDOWS
from tinygan.ops import Window, reference
from tinygan.ops.cpu import correlation, tiles
from tinygan.ops.cpu.correlate import batches_as_if_larger, choose
from tinygan.ops.cpu.correlation import FEWEST_CHANNELS, MOST_CHANNELS, Correlation
from tinygan.ops.cpu.patches import NARROW, PatchCorrelation
from tinygan.ops.cpu.tiled import TiledCorrelation
from tinygan.ops.cpu.tiles import Tiles
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


def operands(algorithm: Correlation, dtype=np.float64):
    """x, w, dy, a bias of the feature map and one of the input."""
    output, image = algorithm.output_shape, algorithm.input_shape
    shapes = image, algorithm.kernel_shape, output, output[-1:], image[-1:]
    return [rng_for(k, "correlation").standard_normal(shape).astype(dtype) for k, shape in enumerate(shapes)]


def results(algorithm: Correlation, x, w, dy, output_bias, input_bias):
    a, u, d = algorithm.transform_input(x), algorithm.transform_kernel(w), algorithm.transform_output(dy)
    return {
        "y": algorithm.forward(a, u),
        "y + b": algorithm.forward(a, u, output_bias),
        "dx": algorithm.input_grad(d, u),
        "dx + b": algorithm.input_grad(d, u, input_bias),
        "dw": algorithm.weight_grad(a, d),
        "dw + 1": algorithm.weight_grad(a, d, np.ones(algorithm.kernel_shape, a.dtype)),
        "y by shards": algorithm.forward_by_shards(x, u),
        "y + b by shards": algorithm.forward_by_shards(x, u, output_bias),
        "dx by shards": algorithm.input_grad_by_shards(dy, u),
        "dx + b by shards": algorithm.input_grad_by_shards(dy, u, input_bias),
    }


def formula(window: Window, x, w, dy, output_bias, input_bias):
    """The same by the reference."""
    y, backward = reference.correlate(x, w, window)
    dx, dw = backward(dy)
    once = {"y": y, "y + b": y + output_bias, "dx": dx, "dx + b": dx + input_bias, "dw": dw, "dw + 1": dw + 1}
    return once | {f"{name} by shards": value for name, value in once.items() if "dw" not in name}


def assert_same(algorithm: Correlation, dtype=np.float64, tolerance=1e-13):
    arrays = operands(algorithm, dtype)
    copies = [array.copy() for array in arrays]
    actual = results(algorithm, *arrays)
    expected = formula(algorithm.window, *(array.astype(np.float64) for array in copies))
    for name, value in expected.items():
        assert actual[name].dtype == dtype
        assert actual[name].flags.c_contiguous
        scale = np.abs(value).max()
        np.testing.assert_allclose(actual[name], value, rtol=0, atol=tolerance * scale, err_msg=name)
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


# One, two and three threads in turn, so that each window meets all of them.
@pytest.mark.parametrize(("m", "threads"), [(1, 1), (2, 2), (3, 3), (4, 1), (5, 2)], indirect=["threads"])
@pytest.mark.parametrize(("window", "shape"), TILED.values(), ids=TILED)
def test_tiles_equal_the_formula(window, shape, m, threads):
    image_shape = (*shape, 5)
    assert_same(TiledCorrelation(window, image_shape, 3, m))


@pytest.mark.parametrize("channels", [NARROW - 1, NARROW])
@pytest.mark.parametrize("out", [1, 3])
@pytest.mark.parametrize(("window", "shape", "positions"), WINDOWS.values(), ids=WINDOWS)
def test_patches_equal_the_formula(window, shape, positions, out, channels, threads):
    shape = (*shape[:3], channels)
    assert_same(PatchCorrelation(window, shape, out))


@pytest.mark.parametrize(("window", "m", "times"), [(SQUARE, 2, 1.4), (SQUARE, 3, 2), (SQUARE, 4, 3.5),
                                                    (THREE, 2, 2), (THREE, 3, 3.5)])  # fmt: skip
def test_rounding_of_tiles(window, m, times):
    """In float32 the root mean square of the error stays within that of patches times what toom_cook.py says."""
    shape = (4, 16, 16, 128)
    plain = PatchCorrelation(window, shape, 64)
    arrays = operands(plain, np.float32)
    exact = formula(window, *(array.astype(np.float64) for array in arrays))
    errors = [
        {name: np.square(value - exact[name]).mean() ** 0.5 for name, value in results(algorithm, *arrays).items()}
        for algorithm in (TiledCorrelation(window, shape, 64, m), plain)
    ]
    for name, error in errors[0].items():
        assert error < times * errors[1][name], name


def test_shards_take_the_cache_into_account(monkeypatch, threads):
    """Any cut gives the same: many shards, blocks of an image, and blocks that do not divide the shard."""
    shape = (7, 16, 16, 8)
    for elements, rows, block in ((1, 1, 1), (6000, 1, 5000), (2**18, 10, 2**12)):
        monkeypatch.setattr(correlation, "MOST_ELEMENTS", elements)
        monkeypatch.setattr(correlation, "ENOUGH_ROWS", rows)
        monkeypatch.setattr(correlation, "FEWEST_ROWS", 1)
        monkeypatch.setattr(tiles, "BLOCK", block)
        assert_same(TiledCorrelation(SQUARE, shape, 8, 4))
        assert_same(PatchCorrelation(SQUARE, shape, 8))


@pytest.mark.parametrize(
    "algorithm", [partial(TiledCorrelation, m=2), partial(TiledCorrelation, m=4), PatchCorrelation]
)
def test_kernels_in_parts(algorithm, threads):
    shape = (2, 8, 8, FEWEST_CHANNELS * 2 + 3)
    out = MOST_CHANNELS + 5
    assert_same(algorithm(SQUARE, shape, out))
    shape = (2, 8, 8, MOST_CHANNELS + 5)
    assert_same(algorithm(SQUARE, shape, 3))


def test_the_same_bits_every_time(threads):
    shape = (32, 16, 16, 16)
    algorithm = TiledCorrelation(SQUARE, shape, 16, 4)
    arrays = operands(algorithm, np.float32)
    first = results(algorithm, *arrays)
    for _ in range(5):
        for name, value in results(algorithm, *arrays).items():
            np.testing.assert_array_equal(value, first[name])


@pytest.mark.parametrize(
    ("window", "channels", "out", "algorithm"),
    [
        (SQUARE, 64, 128, TiledCorrelation),
        (SQUARE, 3, 64, PatchCorrelation),  # an image's three channels make no product worth having
        (THREE, 64, 64, TiledCorrelation),
        (Window((1, 1), (1, 1), (0, 0)), 64, 64, PatchCorrelation),
        (Window((4, 4), (1, 1), (0, 0)), 64, 64, PatchCorrelation),
        (Window((4, 3), (1, 1), (0, 0)), 64, 64, PatchCorrelation),
    ],
)
def test_choice_of_the_form(window, channels, out, algorithm):
    assert type(choose(window, (16, 16, 16, channels), out)) is algorithm


@pytest.mark.parametrize(
    ("positions", "images", "m"),
    [
        (4, 16, None),  # so few tiles that no kernel at points pays: patches
        (4, 32, 2),  # few tiles: a kernel at 25 points would cost more than it saves
        (4, 100, 4),
        (8, 16, 4),
        (5, 64, 3),  # 2×2 tiles cover it with 3 as with 4, at 16 points instead of 25
        (10, 32, 2),  # five tiles of 2 without waste
        (80, 1, 4),
    ],
)
def test_choice_of_the_tiles(positions, images, m):
    algorithm = choose(SQUARE, (images, 2 * positions, 2 * positions, 64), 128)
    assert (algorithm.tiles.m if isinstance(algorithm, TiledCorrelation) else None) == m


def test_a_part_of_a_batch_in_the_form_of_the_whole():
    def m():
        return choose(SQUARE, (32, 8, 8, 64), 128).tiles.m

    with batches_as_if_larger(100 / 32):
        assert m() == 4
    assert m() == 2


@pytest.mark.parametrize(("window", "m", "share"), [(SQUARE, 2, 9 / 16), (SQUARE, 4, 25 / 64), (THREE, 2, 16 / 36)])
def test_number_of_products(window, m, share):
    shape = (2, 24, 24, 8)
    tiled, plain = TiledCorrelation(window, shape, 8, m), PatchCorrelation(window, shape, 8)
    x, w = operands(plain)[:2]
    products = [one.transform_input(x).size * one.transform_kernel(w).shape[-1] for one in (tiled, plain)]
    assert products[0] / products[1] == pytest.approx(share)


@pytest.mark.parametrize("m", [2, 4])
@pytest.mark.parametrize("window", [Window((4, 4), (2, 2), (1, 2)), Window((3, 3), (1, 1), (1, 0))])
@pytest.mark.parametrize("name", ["input", "output", "kernel"])
def test_tiles_adjoints(name, window, m):
    """Σ A(x)·t = Σ x·Aᵀ(t), and Aᵀ overwrites whatever was there."""
    algorithm = Tiles(window, (7, 10), m)
    T, pixels = 2 * algorithm.grid[0] * algorithm.grid[1], window.stride[0] ** 2
    shape, values = {
        "input": ((2, 7, 10, 3), (algorithm.points, T, pixels * 3)),
        "output": ((2, *window.positions((7, 10)), 3), (algorithm.points, T, 3)),
        "kernel": ((*window.kernel, 3, 5), (algorithm.points, pixels, 3, 5)),
    }[name]
    x, y = rng_for(0, "x").standard_normal(shape), np.empty(values)
    getattr(algorithm, f"{name}_to_points")(x, out=y)
    upstream, dx = rng_for(0, "upstream").standard_normal(y.shape), np.full(shape, np.nan)
    getattr(algorithm, f"{name}_from_points")(upstream, out=dx)
    assert float((y * upstream).sum()) == pytest.approx(float((x * dx).sum()), rel=1e-12)
