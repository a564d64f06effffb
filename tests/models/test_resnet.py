"""The residual networks' structure: parameter counts, sizes, the start as shortcuts, and what each norm puts where."""

import math

import numpy as np
import pytest

from tests.layers.cases import prepare, upstream
from tinygan.device import open_backend
from tinygan.errors import UsageError
from tinygan.layers import (
    Addition,
    BatchNorm,
    Layer,
    PReLU,
    ScaleShift,
    Sequential,
    TPReLU,
    WeightNorm,
    WeightNormalisedAddition,
    initialise,
)
from tinygan.models.blocks import DownBlock, UpBlock
from tinygan.models.norms import NORMS
from tinygan.models.resnet import discriminator, generator
from tinygan.rng import rng_for
from tinygan.training.player import Player

FACES = [64, 128, 256, 384, 512]

every_norm = pytest.mark.parametrize("norm", NORMS)


def count(network: Layer) -> int:
    return sum(math.prod(spec.shape) for layer in network.walk() for spec in layer.parameter_specs.values())


@pytest.mark.parametrize(
    ("blocks", "of_D", "of_G"), [(1, 10_194_498, 11_844_172), (2, 19_123_650, 20_773_324)], ids=["11-layer", "21-layer"]
)
def test_parameter_counts_of_the_face_networks(blocks, of_D, of_G):
    assert count(discriminator((160, 160), FACES, [blocks] * 5, "wn")) == of_D
    assert count(generator((160, 160), 128, FACES, [blocks] * 5, "wn")) == of_G


@pytest.mark.parametrize(("blocks", "layers"), [(1, 11), (2, 21)])
def test_the_layers_that_the_paper_counts_are_those_of_the_residual_path(blocks, layers):
    levels = [2] * 5, [blocks] * 5
    for network in (generator((32, 32), 3, *levels, "wn"), discriminator((32, 32), *levels, "wn")):
        initialise(network, rng_for(0, "init"))
        assert len([name for name in names(network, WeightNorm) if ".shortcut." not in name]) == layers


@pytest.mark.parametrize(
    ("block", "shape"),
    [
        (lambda: DownBlock(3, 5, "wn", stride=2, extra=(0, 1)), (2, 4, 6, 3)),
        (lambda: DownBlock(3, 3, "wn", stride=2), (2, 4, 6, 3)),
        (lambda: DownBlock(3, 3, "wn"), (2, 3, 5, 3)),
        (lambda: UpBlock(3, 5, "wn", stride=2, extra=(1, 0)), (2, 4, 6, 3)),
        (lambda: UpBlock(3, 3, "wn"), (2, 3, 5, 3)),
        (lambda: UpBlock(4, 3, "wn", stride=2, writes_image=True), (2, 3, 5, 4)),
    ],
    ids=["down", "down-same-channels", "down-same-size", "up", "up-same-size", "up-last"],
)
def test_a_block_starts_as_its_shortcut_and_one_update_moves_the_residual_weight(block, shape):
    player = Player(block(), rng_for(0, "init"), open_backend("cpu", "float64"))
    x = rng_for(0, "x").standard_normal(shape)
    addition = player.network.children["sum"]
    expected = addition.shortcut(x)[0]
    after = player.network.children.get("act", player.network.children.get("scale_shift"))
    y, backward = player.network(x, training=True)
    np.testing.assert_array_equal(y, after(expected)[0])

    before = {name: value.copy() for name, value in player.parameters.items()}
    backward(upstream(y), player.gradients)
    player.update(1e-3)
    w = player.parameters["sum.w"]
    # RMSProp's first step is 3.16 learning rates against the gradient's sign, whatever its size (notes A3).
    np.testing.assert_allclose(np.abs(w[0]), 1e-3 / np.sqrt(0.1), rtol=1e-4)
    np.testing.assert_array_equal(w[1], 1)
    for name in before:
        if name.startswith("sum.residual."):
            np.testing.assert_array_equal(player.parameters[name], before[name], err_msg=name)
    # The second update reaches the residual branch.
    y, backward = player.network(x, training=True)
    backward(upstream(y), player.gradients)
    player.update(1e-3)
    weights = [name for name in before if name.startswith("sum.residual.") and name.endswith(".w")]
    assert len(weights) == 2
    for name in weights:
        assert (player.parameters[name] != before[name]).all(), name


def test_discriminator_sees_the_image_from_minus_one_to_one():
    D = discriminator((8, 8), [3], [1], "wn")
    prepare(D)
    images = np.stack([np.zeros((8, 8, 3)), np.ones((8, 8, 3))])
    seen = D.children["signed"](images)[0]
    np.testing.assert_array_equal(seen[0], -1)
    np.testing.assert_array_equal(seen[1], 1)
    rest = Sequential({name: layer for name, layer in D.children.items() if name != "signed"})
    np.testing.assert_array_equal(D(images)[0], rest(2 * images - 1)[0])


def small(norm: str) -> tuple[Sequential, Sequential]:
    """G and D with two levels, the inner one of two blocks; every array named."""
    networks = generator((16, 16), 5, [4, 6], [1, 2], norm), discriminator((16, 16), [4, 6], [1, 2], norm)
    for network in networks:
        initialise(network, rng_for(0, "init"))
    return networks


def names(network: Layer, kind: type, **attributes) -> list[str]:
    """The names of all layers of exactly this kind with these attributes, in the order of the forward pass."""
    layers = (layer for layer in network.walk() if type(layer) is kind)
    return [layer.name for layer in layers if all(getattr(layer, name) == value for name, value in attributes.items())]


def owners(network: Layer, array: str) -> set[str]:
    """The names of all layers that have a parameter of this name."""
    return {layer.name for layer in network.walk() if array in layer.parameter_specs}


@every_norm
def test_blocks_and_their_order(norm):
    G, D = small(norm)
    blocks = "up1_block0", "up1_block1", "up0_block0"
    norm_of_linear = ["linear_norm"] if norm == "bn" else []
    assert list(G.children) == ["linear", "reshape", *norm_of_linear, "linear_act", *blocks, "sigmoid"]
    assert list(D.children) == ["signed", "down0_block0", "down1_block0", "down1_block1", "last", "logit"]
    assert [repr(G.children[name]) for name in blocks] == [
        f"residual block {text}" for text in ("6 -> 6", "6 -> 4, ×2", "4 -> 3, ×2")
    ]
    assert [repr(layer) for layer in D.children.values()][1:4] == [
        f"residual block {text}" for text in ("3 -> 4, ÷2", "4 -> 6, ÷2", "6 -> 6")
    ]


def test_strict_weight_norm():
    G, D = small("wn")
    assert names(G, WeightNorm, affine=True) == ["linear"]
    assert names(D, WeightNorm, affine=True) == ["last"]
    assert names(G, PReLU) == ["linear_act"]
    assert names(D, PReLU) == []
    assert len(names(G, TPReLU)) == 5  # two to a block, but for G's very last
    assert len(names(D, TPReLU)) == 6
    assert names(G, ScaleShift) == ["up0_block0.scale_shift"]
    assert names(D, ScaleShift) == []


def test_affine_weight_norm():
    for network in small("wn-affine"):
        assert names(network, WeightNorm, affine=False) == names(network, TPReLU) == names(network, ScaleShift) == []


@pytest.mark.parametrize("norm", ["wn", "wn-affine"])
def test_weight_norm_is_on_every_weight_and_every_sum(norm):
    for network in small(norm):
        assert owners(network, "w") == {*names(network, WeightNorm), *names(network, WeightNormalisedAddition)}
        assert owners(network, "b") == set()
        assert names(network, Addition) == names(network, BatchNorm) == []
        assert len(names(network, WeightNormalisedAddition)) == 3


@pytest.mark.parametrize("norm", ["none", "bn"])
def test_plain_layers_have_biases_and_plain_sums(norm):
    for network in small(norm):
        assert owners(network, "w") == owners(network, "b")
        assert len(names(network, Addition)) == 3
        for kind in (WeightNorm, WeightNormalisedAddition, TPReLU, ScaleShift):
            assert names(network, kind) == []


def test_batch_norm_is_behind_every_layer_that_does_not_touch_the_image():
    G, D = small("bn")
    assert {f"{name}_norm" for name in owners(G, "w")} - set(names(G, BatchNorm)) == {
        f"up0_block0.sum.{branch}_norm" for branch in ("residual.tconv1", "shortcut.tconv")
    }
    assert {f"{name}_norm" for name in owners(D, "w")} - set(names(D, BatchNorm)) == {
        *(f"down0_block0.sum.{branch}_norm" for branch in ("residual.conv0", "shortcut.conv")),
        "last_norm",
    }
    for network in (G, D):
        for layer in network.walk():  # and in front of the activation
            order = list(layer.children)
            assert all(
                order[order.index(name) - 1] == name.removesuffix("_norm")
                for name in order
                if name.endswith("_norm") and name != "linear_norm"
            )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((16, 16), [2, 3], [1]), "2 channel counts and 1 block counts"),
        (((16, 16), [2, 0], [1, 1]), "at least 1"),
        (((16, 16), [2, 3], [1, 0]), "at least 1"),
        (((16, 16), [], []), "levels is 0"),
        (((16, 15), [2, 3], [1, 1]), "15x16: width and height must be even"),
        (((16, 16), [2] * 6, [1] * 6), "6 levels are too many"),
    ],
)
def test_what_cannot_be_built(arguments, message):
    size, features, blocks = arguments
    with pytest.raises(UsageError, match=message):
        generator(size, 3, features, blocks, "wn")
    with pytest.raises(UsageError, match=message):
        discriminator(size, features, blocks, "wn")
