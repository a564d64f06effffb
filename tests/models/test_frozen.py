"""Frozen networks: the same map and input gradient as the network in evaluation mode, prepared once."""

import numpy as np
import pytest

from tests.layers.cases import CASES, prepare, smooth_input
from tests.tiles import kernels_brought_to_tiles
from tinygan.device import open_backend
from tinygan.frozen import frozen
from tinygan.layers import Addition, BatchNorm, Conv2d, ConvTranspose2d, Linear, Sequential, WeightNorm, initialise
from tinygan.models import dcgan, resnet
from tinygan.models.norms import NORMS
from tinygan.rng import rng_for

SIZE, CODE = (16, 24), 5
BUILD = {
    "dcgan G": lambda norm: dcgan.generator(SIZE, CODE, 16, norm),
    "dcgan D": lambda norm: dcgan.discriminator(SIZE, 16, norm),
    "resnet G": lambda norm: resnet.generator(SIZE, CODE, (8, 16), (1, 1), norm),
    "resnet D": lambda norm: resnet.discriminator(SIZE, (8, 16), (1, 1), norm),
}


def trained(which: str, norm: str):
    """A network, its parameters and an input, in float64: with running statistics, and no weight where it started."""
    network = BUILD[which](norm)
    parameters, buffers = initialise(network, rng_for(0, "frozen"), open_backend("cpu", "float64"))
    parameters.flat[:] += 0.1 * rng_for(1, "frozen").standard_normal(parameters.flat.shape)
    x = rng_for(2, "frozen").standard_normal((6, CODE) if which.endswith("G") else (6, *SIZE, 3))
    for _ in range(30):
        network(x, training=True)
    return network, parameters, buffers, x


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("which", BUILD)
def test_the_same_map_and_input_gradient(which, norm):
    network, parameters, buffers, x = trained(which, norm)
    before = parameters.flat.copy(), buffers.flat.copy()
    y, backward = network(x)
    dy = rng_for(3, "frozen").standard_normal(y.shape)
    twin = frozen(network)
    for _ in range(2):
        twin_y, twin_backward = twin(x)
        np.testing.assert_allclose(twin_y, y, rtol=1e-10, atol=1e-12)
        dx = backward(dy)
        np.testing.assert_allclose(twin_backward(dy), dx, rtol=1e-9, atol=1e-12 * np.abs(dx).max())
        assert twin_backward(dy, need_dx=False) is None
    np.testing.assert_array_equal(before[0], parameters.flat)
    np.testing.assert_array_equal(before[1], buffers.flat)


@pytest.mark.parametrize("name", CASES)
def test_every_layer(name):
    layer, x = CASES[name].build(), smooth_input(CASES[name].shape)
    prepare(layer)
    y, backward = layer(x)
    twin_y, twin_backward = frozen(layer)(x)
    dy = rng_for(3, "frozen").standard_normal(y.shape)
    np.testing.assert_allclose(twin_y, y, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(twin_backward(dy), backward(dy), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("norm", ["bn", "wn"])
def test_nothing_is_left_to_normalise(norm):
    """But batch norm that does not follow a weighted layer directly: G's first, behind the change of shape."""
    for which in BUILD:
        network, *_ = trained(which, norm)
        left = [layer for layer in frozen(network).walk() if isinstance(layer, BatchNorm | WeightNorm)]
        assert left == [layer for layer in network.walk() if layer.name == "linear_norm"]


def test_a_kernel_is_prepared_once():
    network, _, _, x = trained("dcgan G", "wn")
    assert list(network.children)[2:] == ["linear_act", "up1", "up1_act", "up0", "sigmoid"]
    twin = frozen(network)
    with kernels_brought_to_tiles() as made:
        for _ in range(3):
            y, backward = twin(np.tile(x, (10, 1)))  # few images are left to patches
            backward(y)
    assert made == [network.children["up1"].w.shape]  # up0's three channels are left to patches


@pytest.mark.parametrize("build", [Conv2d, ConvTranspose2d])
def test_batches_that_take_other_tiles(build):
    """Small and large batches by turns: each with the kernel that its own tiles need, made once for each."""
    layer = build(8, 8, 3, pad=1)
    prepare(layer)
    twin = frozen(layer)
    with kernels_brought_to_tiles() as made:
        for N in (8, 60, 8, 60):
            x = smooth_input((N, 6, 6, 8), seed=N)
            y, backward = twin(x)
            expected_y, expected_backward = layer(x)
            np.testing.assert_allclose(y, expected_y, rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(backward(y), expected_backward(y), rtol=1e-11, atol=1e-12)
    assert len(made) == 2 + 4  # of the frozen layer, and of each pass of the other


def doubled(kind):
    """A class of one's own that inherits from ``kind`` and computes twice its output."""

    class Doubled(kind):
        def __call__(self, x, training=False):
            y, backward = super().__call__(x, training)
            return 2 * y, lambda dy, grads=None, need_dx=True: backward(2 * dy, grads, need_dx)

    return Doubled


@pytest.mark.parametrize(
    "build",
    [
        lambda: doubled(Linear)(3, 3),
        lambda: doubled(WeightNorm)(Linear(3, 3)),
        lambda: doubled(Sequential)([Linear(3, 3)]),
        lambda: doubled(Addition)(Linear(3, 3), Linear(3, 3)),
        lambda: Sequential([Linear(3, 3), doubled(BatchNorm)(3)]),
    ],
)
def test_a_layer_that_inherits_from_one_of_tinygans_computes_what_it_says(build):
    network = Sequential([build()])
    prepare(network)
    x = smooth_input((4, 3))
    y, backward = network(x)
    twin_y, twin_backward = frozen(network)(x)
    np.testing.assert_allclose(twin_y, y, rtol=1e-12)
    np.testing.assert_allclose(twin_backward(y), backward(y), rtol=1e-12)
