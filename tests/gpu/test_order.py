"""Sums are taken in the order that their formula has, value by value, whatever a kernel loads ahead: to the bit.

On the stand-in: a device may round a product and the addition behind it only once.
"""

import numpy as np
import pytest

from tests.gpu import emulator
from tests.gpu.test_kernels import random
from tests.gpu.test_parity import step_results
from tests.ops.test_patches import WINDOWS
from tests.training.conftest import TINY_RESNET
from tinygan.models.norms import NORMS
from tinygan.ops.cuda import channel_dot, launch, patches, sums, weight_norm
from tinygan.ops.cuda.weight_norm import constants
from tinygan.training.options import MODELS, Options
from tinygan.training.step import SCHEDULES

# Of one load ahead or less, of some, of a rest, of several rounds.
SHAPES = [(1, 3), (7, 5), (64, 4), (333, 3), (2000, 2)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
CHUNKS = (1, 3, 16)


def chunk_sums(values, chunks):
    """The sum of every chunks-th row, (rows, ...) -> (chunks, ...), one after the other."""
    sums = np.zeros((chunks, *values.shape[1:]), values.dtype)
    for row, value in enumerate(values):
        sums[row % chunks] += value
    return sums


@every_shape
@pytest.mark.parametrize("chunks", CHUNKS)
def test_column_sums(fake_cupy, dtype, shape, chunks):
    x = random(shape, "x", dtype)
    sums = fake_cupy.empty((chunks, shape[1]), dtype)
    launch.launch("sums", "column_sums", sums.size, fake_cupy.asarray(x), *shape, chunks, sums)
    np.testing.assert_array_equal(sums.get(), chunk_sums(x, chunks))


@every_shape
@pytest.mark.parametrize("chunks", CHUNKS)
def test_rectifier_backward(fake_cupy, dtype, shape, chunks):
    (rows, channels), (x, dy) = shape, (random(shape, name, dtype) for name in ("x", "dy"))
    slope, shift = (random(shape[1], name, dtype) for name in ("slope", "shift"))
    below = dy * (x - shift < 0)
    on_device = [fake_cupy.asarray(value) for value in (x, dy, slope, shift)]
    dx, sums = fake_cupy.empty(shape, dtype), fake_cupy.empty((chunks, 2, channels), dtype)
    bend = on_device[2], 1, 0.0, on_device[3], 1, 0.0
    launch.launch(
        "rectify", "rectifier_backward", chunks * channels, *on_device[:2], *bend, channels, rows, chunks, 1, dx, sums
    )
    np.testing.assert_array_equal(dx.get(), dy - (1 - slope) * below)
    np.testing.assert_array_equal(sums.get()[:, 0], chunk_sums(below * (x - shift), chunks))
    np.testing.assert_array_equal(sums.get()[:, 1], (1 - slope) * chunk_sums(below, chunks))


@every_shape
@pytest.mark.parametrize("chunks", CHUNKS)
def test_batch_norm_sums(fake_cupy, dtype, shape, chunks):
    (rows, channels), (x, dy) = shape, (random(shape, name, dtype) for name in ("x", "dy"))
    mean, r = (random(channels, name, dtype) for name in ("mean", "r"))
    sums = fake_cupy.empty((chunks, 2, channels), dtype)
    on_device = [fake_cupy.asarray(value) for value in (x, dy, mean, r)]
    launch.launch("batch_norm", "batch_norm_sums", chunks * channels, *on_device, rows, channels, chunks, sums)
    np.testing.assert_array_equal(sums.get()[:, 0], chunk_sums(dy, chunks))
    np.testing.assert_array_equal(sums.get()[:, 1], chunk_sums(dy * ((x - mean) * r), chunks))


@every_shape
@pytest.mark.parametrize("chunks", CHUNKS)
def test_moments(fake_cupy, dtype, shape, chunks):
    (rows, channels), x = shape, random(shape, "x", dtype)
    if chunks > rows:
        return
    means, squares = (fake_cupy.empty((chunks, channels), dtype) for _ in "ab")
    launch.launch(
        "batch_norm", "chunk_moments", means.size, fake_cupy.asarray(x), rows, channels, chunks, means, squares
    )
    counts = np.bincount(np.arange(rows) % chunks).astype(dtype)
    expected = chunk_sums(x, chunks) / counts[:, None]
    np.testing.assert_array_equal(means.get(), expected)
    centred = x - expected[np.arange(rows) % chunks]
    np.testing.assert_array_equal(squares.get(), chunk_sums(centred * centred, chunks))
    mean, var = (fake_cupy.empty(channels, dtype) for _ in "ab")
    launch.launch("batch_norm", "merge_moments", channels, means, squares, rows, channels, chunks, mean, var)
    n, m, square = dtype.type(0), np.zeros(channels, dtype), np.zeros(channels, dtype)
    for more, one, its_square in zip(counts, means.get(), squares.get(), strict=True):
        share, d = more / (n + more), one - m
        m = m + d * share
        square = square + (its_square + d * d * n * share)
        n = n + more
    np.testing.assert_array_equal(mean.get(), m)
    np.testing.assert_array_equal(var.get(), square / rows)


def unit_sums(products, lanes):
    """Σ over the rows of (L, units): every lanes-th by one thread, then two by two, the first half plus the second."""
    sums = chunk_sums(products, lanes)
    while len(sums) > 1:
        sums = sums[: len(sums) // 2] + sums[len(sums) // 2 :]
    return sums[0]


@pytest.mark.parametrize(
    "around", [(333, 4, 1), (2100, 11, 1), (700, 1, 1), (6, 5, 7), (16, 3, 64), (1, 2, 5)], ids=str
)
def test_weight_norm(fake_cupy, dtype, around):
    w, dv = (random(around, name, dtype) for name in ("w", "dv"))
    lanes = launch.BLOCK // constants(around, 1)["SIDE"]
    k, epsilon = dtype.type(0.25), dtype.type(0.5)

    def per_unit(a, b):
        return unit_sums(np.moveaxis(a * b, 1, 2).reshape(-1, around[1]), lanes)[:, None]

    length = np.sqrt(k * per_unit(w, w) + epsilon)
    v, add_gradient = weight_norm(fake_cupy.asarray(w), 1, 0.25, 0.5)
    np.testing.assert_array_equal(v.get(), w / length)
    total = fake_cupy.ones(around, dtype)
    add_gradient(fake_cupy.asarray(dv), total)
    s = per_unit(dv, w / length)
    np.testing.assert_array_equal(total.get(), 1 + (dv - k * (w / length) * s) / length)
    dot = channel_dot(fake_cupy.asarray(w), fake_cupy.asarray(dv), 1)
    np.testing.assert_array_equal(dot.get(), per_unit(w, dv)[:, 0])


@pytest.mark.parametrize("rows", [1, 7, 33, 512, 513, 20_000])
def test_channel_sum(fake_cupy, dtype, rows):
    x, total = random((rows, 6), "x", dtype), random((6,), "total", dtype)
    expected = x
    while len(expected) > sums.MOST_ROWS:
        expected = chunk_sums(expected, sums.chunk_count(len(expected)))
    expected = unit_sums(expected, launch.BLOCK // sums.COLUMNS)
    device_x, ours = fake_cupy.asarray(x), fake_cupy.asarray(total)
    np.testing.assert_array_equal(sums.channel_sum(device_x).get(), expected)
    sums.channel_sum(device_x, ours)
    np.testing.assert_array_equal(ours.get(), total + expected)
    halves = [fake_cupy.asarray(total[:3]), fake_cupy.asarray(total[3:])]
    np.testing.assert_array_equal(sums.finish(device_x, *halves).get(), expected)
    np.testing.assert_array_equal(np.concatenate([half.get() for half in halves]), total + expected)


@pytest.mark.parametrize(("window", "shape", "places"), WINDOWS.values(), ids=WINDOWS.keys())
def test_fold(fake_cupy, dtype, window, shape, places):
    """A pixel's patches from the upper left to the lower right."""
    (kh, kw), (sh, sw), (ph, pw) = window
    N, H, W, C = shape
    values = random((N, *places, kh, kw, C), "patches", dtype)
    padded = np.zeros((N, H + 2 * ph + kh, W + 2 * pw + kw, C), dtype)
    for p in range(places[0]):
        for q in range(places[1]):
            padded[:, p * sh : p * sh + kh, q * sw : q * sw + kw] += values[:, p, q]
    rows = fake_cupy.asarray(values.reshape(-1, kh * kw * C))
    image = patches.fold(rows, window, shape)
    np.testing.assert_array_equal(image.get(), padded[:, ph : ph + H, pw : pw + W])


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("model", "schedule"), list(zip(MODELS, SCHEDULES, strict=True)))
def test_a_step_is_the_same_in_whatever_order_threads_run(fake_cupy, monkeypatch, model, norm, schedule):
    """A value that two threads write, or one reads while another writes it, would come out otherwise."""
    sizes = {"batch_size": 3, "image_size": (16, 16), "features": 4, **(TINY_RESNET if model == "resnet" else {})}
    options = Options(norm=norm, schedule=schedule, learning_rate=1e-3, **sizes)
    forwards = step_results(options, "gpu")
    monkeypatch.setattr(emulator, "backwards", True)
    for name, value in step_results(options, "gpu").items():
        np.testing.assert_array_equal(value, forwards[name], err_msg=name)
