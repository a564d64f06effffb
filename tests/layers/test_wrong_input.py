"""Every layer refuses what does not fit, in one line that names the layer, what it expected and what it found."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from tests.layers.cases import CASES, Case, every_layer, prepare, smooth_input
from tinygan.errors import InputError
from tinygan.layers import (
    AveragePool,
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Crop,
    LeakyReLU,
    Linear,
    PReLU,
    ReLU,
    Reshape,
    ScaleShift,
    Sequential,
    TPReLU,
    TReLU,
    WeightNorm,
    initialise,
)
from tinygan.losses import binary_cross_entropy, least_squares, mean_squared_error

ANY_CHANNELS = ("relu", "leaky", "average", "nearest", "pad", "crop", "rescale", "sigmoid", "tanh", "reshape")
has_channels = pytest.mark.parametrize("case", [c for n, c in CASES.items() if not n.startswith(ANY_CHANNELS)], ids=str)
ONE_LINE = r"\A(layer .+: )?expected .+; found .+\Z"


def refuses(layer, x, training=True):
    with pytest.raises(InputError) as caught:
        layer(x, training)
    message = str(caught.value)
    assert "\n" not in message
    assert re.search(ONE_LINE, message.removeprefix("")), message
    assert str(x.shape).strip("()") in message or "from the shortcut" in message
    return message


@has_channels
def test_one_channel_too_few_and_one_too_many(case: Case):
    layer = case.build()
    prepare(layer)
    for channels in {case.shape[-1] - 1, case.shape[-1] + 1} - {0}:
        refuses(layer, smooth_input((*case.shape[:-1], channels)), case.training)


@every_layer
def test_integers_and_an_empty_batch(case: Case):
    layer = case.build()
    prepare(layer)
    for kind in (np.uint8, np.int64, bool):
        assert np.dtype(kind).name in refuses(layer, np.ones(case.shape, kind), case.training)
    refuses(layer, np.ones((0, *case.shape[1:])), case.training)


@pytest.mark.parametrize(
    ("layer", "ranks"),
    [
        (Conv2d(3, 2, 1), (1, 2, 3, 5)),
        (ConvTranspose2d(3, 2, 1), (1, 2, 3, 5)),
        (AveragePool(), (1, 2, 3, 5)),
        (Linear(3, 2), (1, 3, 4)),
    ],
    ids=repr,
)
def test_images_have_four_axes_and_rows_two(layer, ranks):
    prepare(layer)
    for rank in ranks:
        refuses(layer, np.ones((2,) * (rank - 1) + (3,)))


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (lambda: Conv2d(3, 2, 4), (1, 3, 4, 3)),
        (lambda: Conv2d(3, 2, (2, 5), pad=1), (1, 3, 2, 3)),
        (lambda: ConvTranspose2d(3, 2, 2, pad=1), (1, 1, 1, 3)),
        (lambda: AveragePool(), (1, 3, 4, 3)),
        (lambda: Crop((1, 2)), (1, 5, 4, 3)),
        (lambda: Reshape((2, 5)), (3, 11)),
        (lambda: Reshape((2, -1, 5)), (3, 12)),
        (lambda: Reshape((0,)), (3, 12)),
    ],
    ids=["conv", "conv-one-axis", "up", "odd", "crop", "reshape", "reshape-rest", "reshape-nothing"],
)
def test_shapes_that_a_window_cannot_take(build, shape):
    layer = build()
    prepare(layer)
    refuses(layer, np.ones(shape))


@every_layer
def test_a_number_and_an_array_of_another_library(case: Case):
    layer = case.build()
    prepare(layer)
    refuses(layer, np.array(1.0), case.training)
    refuses(
        layer, SimpleNamespace(dtype="torch.float32", shape=case.shape, ndim=len(case.shape), size=7), case.training
    )


def test_the_three_that_were_silently_wrong():
    """Batch norm of 2 channels on 4, PReLU of 32 on 8 times 4, integers through a ReLU."""
    for layer, x in (
        (BatchNorm(2), np.ones((3, 4))),
        (PReLU(32), np.ones((6, 8, 4))),
        (ReLU(), np.arange(4, dtype=np.uint8)),
    ):
        prepare(layer)
        refuses(layer, x, training=False)


def test_an_empty_batch_does_not_spoil_the_running_statistics():
    layer = BatchNorm(2)
    _, buffers = initialise(layer, np.random.default_rng(0))
    before = buffers.flat.copy()
    for x in (np.ones((0, 2), np.float32), np.ones((1, 2), np.float32)):
        refuses(layer, x)
    np.testing.assert_array_equal(buffers.flat, before)


def test_the_layer_is_named_by_its_path_inside_a_network():
    network = Sequential({"body": Sequential([WeightNorm(Conv2d(3, 8, 4)), TPReLU(9)])})
    initialise(network, np.random.default_rng(0))
    assert "layer body.0, Conv2d kernel 4" in refuses(network, np.ones((1, 8, 8, 4), np.float32))
    x = np.ones((1, 8, 8, 3), np.float32)
    with pytest.raises(
        InputError, match=r"layer body\.1, TPReLU: expected floats \(N, \.\.\., 9\).*found float32 \(1, 5, 5, 8\)"
    ):
        network(x)


UNINITIALISED = [Linear(3, 3), Conv2d(3, 2, 1), WeightNorm(Linear(3, 3)), BatchNorm(3), PReLU(3), TReLU(3), TPReLU(3)]


@pytest.mark.parametrize("layer", [*UNINITIALISED, ScaleShift(3)], ids=repr)
def test_a_forgotten_initialise_is_one_clear_error(layer):
    x = np.ones((1, 1, 1, 3) if isinstance(layer, Conv2d) else (4, 3), np.float32)
    with pytest.raises(AttributeError, match=r"no '\w+' yet: call initialise\(network, rng\) before the first pass"):
        layer(x)


def test_other_missing_attributes_are_named_as_ever():
    with pytest.raises(AttributeError, match="'LeakyReLU' object has no attribute 'alpha'"):
        print(LeakyReLU().alpha)


@pytest.mark.parametrize("loss", [binary_cross_entropy, least_squares])
@pytest.mark.parametrize("target", [0.9, 2, -1, 0.0, None, np.array([1, 0])])
def test_a_target_is_0_or_1(loss, target):
    with pytest.raises(InputError, match=f"{loss.__name__}: expected target 1 for real or 0 for generated; found"):
        loss(np.zeros(3), target)


@pytest.mark.parametrize("loss", [binary_cross_entropy, least_squares])
@pytest.mark.parametrize("logits", [np.zeros((3, 1)), np.zeros(0), np.zeros(3, int), np.zeros(()), [0.0]])
def test_logits_are_floats_in_a_row(loss, logits):
    with pytest.raises(InputError, match=f"{loss.__name__}: expected float logits"):
        loss(logits, 1)


@pytest.mark.parametrize(
    ("y", "target"),
    [
        (np.zeros(3), np.zeros((3, 1))),
        (np.zeros(0), np.zeros(0)),
        (np.zeros(3, int), np.zeros(3)),
        (np.zeros(3), [0.0, 0.0, 0.0]),
        ([0.0], np.zeros(1)),
    ],
)
def test_squared_errors_have_equal_shapes(y, target):
    with pytest.raises(InputError, match="mean_squared_error: expected floats and a target of their shape"):
        mean_squared_error(y, target)
