"""Every kernel against the layer that it is a fast version of, in shapes that are no multiple of a block."""

import numpy as np
import pytest

from tests.ops.test_patches import WINDOWS
from tinygan.device import open_backend
from tinygan.errors import TinyganError
from tinygan.gradcheck import randomise
from tinygan.layers import BatchNorm, PReLU, Sigmoid, TPReLU, TReLU, initialise
from tinygan.losses import ADVERSARIAL_LOSSES
from tinygan.ops import cuda, reference
from tinygan.ops.cuda import launch, patches
from tinygan.ops.reference import fold, unfold
from tinygan.optim import RMSProp
from tinygan.parameters import Parameters
from tinygan.rng import rng_for

# One row, one channel, three channels, more than one block, more than one block of channels, three levels of sums.
SHAPES = [(1, 5), (7, 1), (2, 5, 3, 3), (2, 3, 5, 64), (3, 300), (2, 37, 31, 3)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def random(shape, purpose, dtype):
    """Values that both precisions hold exactly, so that the reference in float64 has the same input."""
    return rng_for(0, purpose).standard_normal(shape).astype(np.float32).astype(dtype)


def in_float64(layer):
    """``layer`` in float64 with random parameters."""
    parameters, buffers = initialise(layer, rng_for(0, "layer"), open_backend("cpu", "float64"))
    randomise(parameters, rng_for(0, "parameters"))
    parameters.flat[:] = parameters.flat.astype(np.float32)
    return parameters, buffers


RECTIFIERS = {"prelu": PReLU, "trelu": TReLU, "tprelu": TPReLU}


@every_shape
@pytest.mark.parametrize("kind", RECTIFIERS)
def test_rectifier(xp, dtype, close, shape, kind):
    layer = RECTIFIERS[kind](shape[-1])
    parameters, _ = in_float64(layer)
    x, dy = random(shape, "x", np.float64), random(shape, "dy", np.float64)
    x.reshape(-1, shape[-1])[0] = layer.shift  # at the bend itself
    grads = parameters.zeros_like()
    y, backward = layer(x)
    dx = backward(dy, grads)

    def on_device(value):
        return float(value) if np.ndim(value) == 0 else xp.asarray(value.astype(dtype))

    x, dy, slope, shift = map(on_device, (x, dy, layer.slope, layer.shift))
    close(cuda.rectify(x, slope, shift), y)
    learned = [name in parameters for name in ("slope", "shift")]
    for need_dx in (True, False):
        totals = [xp.ones(shape[-1], dtype) if is_learned else None for is_learned in learned]
        ours = cuda.rectify_backward(x, dy, slope, shift, need_dx, tuple(totals))
        assert (ours is not None) == need_dx
        if need_dx:
            close(ours, dx)
        for name, total in zip(("slope", "shift"), totals, strict=True):
            if total is not None:
                close(total, 1 + grads[name], 10)
    close(cuda.rectify_backward(x, dy, slope, shift, True), dx)


def test_a_rectifier_shows_what_is_not_a_number(xp, dtype):
    x = xp.asarray(np.array([[1.0, np.nan], [-1.0, 1.0]], dtype))
    y = cuda.rectify(x, 0.25, xp.asarray(np.array([np.nan, 0.0], dtype))).get()
    np.testing.assert_array_equal(np.isnan(y), [[True, True], [True, False]])


def test_sigmoid(xp, dtype, close):
    x, dy = np.array([-1000, -30.5, -1, 0, 0.25, 3, 40, 1000.0]), random(8, "dy", np.float64)
    y, backward = Sigmoid()(x)
    ours = cuda.sigmoid(xp.asarray(x.astype(dtype)))
    close(ours, y)
    assert (ours.get()[1] > 0) == (y[1] > 0)
    close(cuda.sigmoid_backward(ours, xp.asarray(dy.astype(dtype))), backward(dy))


@every_shape
def test_sums_over_rows(xp, dtype, close, shape):
    x = random(shape, "x", np.float64)
    device_x = xp.asarray(x.astype(dtype))
    out = cuda.channel_sum(device_x)
    close(out, x.sum(axis=tuple(range(len(shape) - 1))), 10)
    total = xp.ones(shape[-1], dtype)
    assert cuda.channel_sum(device_x, total) is total
    np.testing.assert_array_equal(total.get(), 1 + out.get())
    out += 1  # a new array, also of one row
    np.testing.assert_array_equal(device_x.get(), x.astype(dtype))


def test_sums_are_the_same_every_time(xp, dtype):
    x = xp.asarray(random((3000, 7), "x", dtype))
    np.testing.assert_array_equal(cuda.channel_sum(x).get(), cuda.channel_sum(x).get())


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("shape", [s for s in SHAPES if s[0] > 1], ids=str)
def test_batch_norm(xp, dtype, close, shape, training):
    layer = BatchNorm(shape[-1])
    parameters, buffers = in_float64(layer)
    buffers.flat[:] = np.abs(random(buffers.flat.shape, "running", np.float64)) + 0.5
    mean, var = (xp.asarray(value.astype(dtype)) for value in buffers.values())
    # Far from 0 against its spread, where a difference of squares would lose everything.
    x, dy = 100 + random(shape, "x", np.float64), random(shape, "dy", np.float64)
    x = x.astype(np.float32).astype(np.float64)
    y, backward = layer(x, training)
    grads = parameters.zeros_like()
    dx = backward(dy, grads)
    values = x.reshape(-1, shape[-1])

    x, dy, scale, shift = (xp.asarray(v.astype(dtype)) for v in (x, dy, layer.scale, layer.shift))
    if training:
        mean, var = cuda.batch_statistics(x)
        close(mean, values.mean(axis=0))
        close(var, values.var(axis=0), 100)  # the mean's rounding, eps·100, shows
    r, M = 1 / xp.sqrt(var + 1e-5), len(values)
    lost = 200 if dtype == np.float32 else 1000  # so it does in what follows
    close(cuda.batch_norm(x, mean, r, scale, shift), y, lost)
    totals = xp.ones(shape[-1], dtype), xp.full(shape[-1], 2, dtype)
    dshift, dscale = cuda.batch_norm_sums(x, dy, mean, r, totals)
    close(dshift, grads["shift"], lost)
    close(dscale, grads["scale"], lost)
    np.testing.assert_array_equal(totals[0].get(), 1 + dshift.get())
    np.testing.assert_array_equal(totals[1].get(), 2 + dscale.get())
    if training:
        close(cuda.batch_norm_backward(x, dy, mean, r, scale, dshift, dscale, M), dx, lost)


def test_running_statistics(xp, dtype, close):
    host = [random((300,), name, np.float64) for name in ("running mean", "running var", "mean", "var")]
    running_mean, running_var, mean, var = (xp.asarray(value.astype(dtype)) for value in host)
    cuda.update_statistics(running_mean, running_var, mean, var, 8 / 7, 0.1)
    reference.update_statistics(*host, 8 / 7, 0.1)
    close(running_mean, host[0])
    close(running_var, host[1])


# shape and the axis of the output units: linear, convolution, one unit, transposed convolution
WEIGHTS = {"linear": ((7, 300), 1), "conv": ((4, 3, 5, 6), 3), "one": ((4, 4, 20, 1), 3), "up": ((4, 3, 5, 70), 2)}


@pytest.mark.parametrize(("shape", "axis"), WEIGHTS.values(), ids=WEIGHTS.keys())
def test_weight_norm(xp, dtype, close, shape, axis):
    w, dv = random(shape, "w", np.float64), random(shape, "dv", np.float64)
    axes = tuple(a for a in range(len(shape)) if a != axis)
    k, epsilon = 0.25, 0.5
    n = np.sqrt(k * (w * w).sum(axis=axes, keepdims=True) + epsilon)
    s = (dv * w / n).sum(axis=axes, keepdims=True)

    device_w, device_dv = (xp.asarray(value.astype(dtype)) for value in (w, dv))
    v, add_gradient = cuda.weight_norm(device_w, axis, k, epsilon)
    close(v, w / n)
    total = xp.ones_like(v)
    add_gradient(device_dv, total)
    close(total, 1 + (dv - k * w / n * s) / n, 10)
    close(cuda.channel_dot(device_w, device_dv, axis), (w * dv).sum(axis=axes), 10)
    total = xp.ones(shape[axis], dtype)
    assert cuda.channel_dot(device_w, device_dv, axis, total) is total
    close(total, 1 + (w * dv).sum(axis=axes), 10)


@pytest.mark.parametrize("loss", ADVERSARIAL_LOSSES)
@pytest.mark.parametrize("target", [0, 1])
def test_losses(xp, dtype, close, loss, target):
    function = {"bce": cuda.binary_cross_entropy, "least-squares": cuda.least_squares}[loss]
    many = np.concatenate([random(300, "logits", np.float64), [-1000, -60, 0, 60, 1000]])
    for logits in (many, np.array([30.0]), np.array([-30.0])):  # alone, a tiny value must keep its precision
        value, gradient = ADVERSARIAL_LOSSES[loss](logits, target)
        ours = function(xp.asarray(logits.astype(dtype)), target)
        close(ours[0], value)
        close(ours[1], gradient)


@pytest.mark.parametrize("loss", ADVERSARIAL_LOSSES)
@pytest.mark.parametrize("share", [1.0, 0.25])
def test_the_losses_of_one_chain(xp, dtype, close, loss, share):
    for N in (1, 40, 300):  # one block takes several rounds
        logits = random((2 * N,), "logits", np.float64)
        logits[0], floor = -60.0, 1e-20
        ours = cuda.chain_losses(xp.asarray(logits.astype(dtype)), loss, share, floor)
        plain = reference.chain_losses(logits, loss, share, floor)
        for one, expected in zip((*ours[0], *ours[1:]), (*plain[0], *plain[1:]), strict=True):
            close(one, expected, 10)
        assert ours[1].get()[0] == dtype.type(max(floor, plain[1][0]))
    broken = np.full(6, np.nan)
    (d_real, d_fake, g), seed, ratio = cuda.chain_losses(xp.asarray(broken.astype(dtype)), loss, share, floor)
    assert all(np.isnan(value.get()).all() for value in (d_real, d_fake, g, seed, ratio))


def test_rmsprop(xp, dtype, close):
    shapes, bounded = {"a": (300,), "b": (7, 5)}, 35
    backend = open_backend("cpu", "float64")
    w, g = (Parameters(shapes, backend, ["b"]) for _ in "wg")
    w.flat[:], g.flat[:] = random(w.flat.shape, "w", np.float64), random(g.flat.shape, "g", np.float64)
    ours = [xp.asarray(value.astype(dtype)) for value in (w.flat, g.flat, np.zeros(w.flat.shape))]
    on_cores, average = RMSProp(w), np.zeros(w.flat.shape)
    plain = w.flat.copy()
    gradient = g.flat.copy()
    for rate in (np.float32(1e-3), np.float32(2e-3)):
        ours[1][...] = xp.asarray(gradient.astype(dtype))
        g.flat[:] = gradient
        reference.rmsprop(plain, gradient.copy(), average, float(rate), 0.9, 1e-6, bounded)
        cuda.rmsprop(*ours, xp.full((), rate, dtype), 0.9, 1e-6, bounded)
        on_cores.update(w, g, float(rate))
        assert not ours[1].get().any()
    close(ours[0], plain)
    close(ours[2], average)
    np.testing.assert_allclose(w.flat, plain, rtol=1e-12)
    assert {0.0, 1.0} < set(plain[:bounded])
    assert plain[bounded:].min() < 0
    np.testing.assert_allclose(on_cores.average.flat, average, rtol=1e-12)
    before = ours[0].get()
    ours[1][...] = xp.asarray(gradient.astype(dtype))
    cuda.rmsprop(*ours, 0.5, 0.9, 1e-6)
    assert (ours[0].get() != before).all()


def test_gather_images(xp, dtype):
    images = rng_for(0, "bytes").integers(0, 256, (11, 5, 7, 3)).astype(np.uint8)
    places = np.array([[10, 0, 0, 0], [0, 2, 3, 1], [3, 1, 0, 0], [3, 1, 0, 1]], np.int64)
    ours = cuda.gather_images(xp.asarray(images), xp.asarray(places), (3, 4), dtype)
    windows = [images[row, top : top + 3, left : left + 4] for row, top, left, _ in places]
    expected = [window[:, ::-1] if flip else window for window, flip in zip(windows, places[:, 3], strict=True)]
    np.testing.assert_array_equal(ours.get(), np.array(expected).astype(dtype) / 255)
    assert ours.dtype == dtype


@pytest.mark.parametrize(("window", "shape", "places"), WINDOWS.values(), ids=WINDOWS.keys())
def test_patches_and_their_adjoint(xp, dtype, close, window, shape, places):
    image = random(shape, "image", dtype)
    expected = unfold(image, window)
    ours = patches.unfold(xp.asarray(image), window)
    np.testing.assert_array_equal(ours.get(), expected)
    values = random(expected.shape, "values", np.float64)
    close(patches.fold(xp.asarray(values.astype(dtype)), window, shape), fold(values, window, shape))


def test_what_cannot_be_counted_is_refused(xp):
    assert launch.countable(2**31 - 1) == 2**31 - 1
    with pytest.raises(TinyganError, match=r"2,147,483,648 elements .*--batch-size"):
        launch.countable(2**31)
    with pytest.raises(ValueError, match=r"sigmoid_forward: an array of shape \(3,\) is not contiguous"):
        cuda.sigmoid(xp.ones(6)[::2])
    with pytest.raises(ValueError, match="float32 among arrays of float64"):
        cuda.sigmoid_backward(xp.ones(3, np.float64), xp.ones(3, np.float32))
