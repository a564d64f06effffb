"""The networks' structure: parameter counts, sizes, and what each norm puts where (notes A2)."""

import math

import pytest

from tests.layers.cases import prepare
from tinygan.layers import BatchNorm, Layer, PReLU, Sequential, TPReLU, WeightNorm
from tinygan.layers.linear import BilinearLayer
from tinygan.models.dcgan import discriminator, generator
from tinygan.models.norms import NORMS
from tinygan.rng import rng_for

every_norm = pytest.mark.parametrize("norm", NORMS)

# Output channels of the weighted layers, G and D, that affine weight norm adds a scale to, and batch norm a scale and
# a shift. G's linear layer has one output per pixel and channel; batch norm behind it counts channels only.
OUTPUTS_32 = (4 * 4 * 256 + 128 + 64 + 3, 64 + 128 + 256 + 1)
OUTPUTS_64 = (4 * 4 * 512 + 256 + 128 + 64 + 3, 64 + 128 + 256 + 512 + 1)
OUTPUTS_160 = (5 * 5 * 1024 + 512 + 256 + 128 + 64 + 3, 64 + 128 + 256 + 512 + 1024 + 1)

# (side, code, norm): parameters of G and of D with 64 features
COUNTS = {
    (32, 128, "none"): (1_187_459, 663_425),
    (32, 128, "bn"): (1_188_355, 664_193),
    (32, 128, "wn"): (1_183_622, 663_426),
    (32, 128, "wn-affine"): (1_187_459 + OUTPUTS_32[0], 663_425 + OUTPUTS_32[1]),
    (64, 128, "none"): (3_813_763, 2_765_697),
    (64, 128, "bn"): (3_813_763 + 2 * (512 + 256 + 128 + 64), 2_765_697 + 2 * (128 + 256 + 512)),
    (64, 128, "wn"): (3_806_086, 2_765_698),
    (64, 128, "wn-affine"): (3_813_763 + OUTPUTS_64[0], 2_765_697 + OUTPUTS_64[1]),
    (160, 256, "none"): (17_726_339, 11_173_761),
    (160, 256, "wn"): (17_701_766, 11_173_762),
    (160, 256, "wn-affine"): (17_726_339 + OUTPUTS_160[0], 11_173_761 + OUTPUTS_160[1]),
}


def count(network: Layer) -> int:
    return sum(math.prod(spec.shape) for layer in network.walk() for spec in layer.parameter_specs.values())


def layers_of(network: Sequential, kind: type) -> list[str]:
    return [name for name, layer in network.children.items() if isinstance(layer, kind)]


def arrays_of(network: Sequential, own_name: str) -> list[str]:
    return [name for name, layer in network.children.items() if own_name in layer.parameter_specs]


@pytest.mark.parametrize(("built", "expected"), COUNTS.items(), ids=[f"{s}px-{norm}" for s, _, norm in COUNTS])
def test_parameter_counts(built, expected):
    side, code, norm = built
    size = (side, side)
    assert (count(generator(size, code, 64, norm)), count(discriminator(size, 64, norm))) == expected


@pytest.mark.parametrize("norm", ["none", "bn"])
def test_plain_and_batch_norm_structure(norm):
    G, D = generator((16, 16), 5, 4, norm), discriminator((16, 16), 4, norm)
    assert arrays_of(G, "b") == layers_of(G, BilinearLayer) == ["linear", "up1", "up0"]
    assert arrays_of(D, "b") == layers_of(D, BilinearLayer) == ["down0", "down1", "last"]
    assert layers_of(G, WeightNorm) == layers_of(D, WeightNorm) == []
    assert layers_of(G, PReLU) == ["linear_act", "up1_act"]
    assert layers_of(D, PReLU) == ["down0_act", "down1_act"]
    # Not at G's output, D's first and D's last layer; in front of the activation.
    assert layers_of(G, BatchNorm) == ([] if norm == "none" else ["linear_norm", "up1_norm"])
    assert layers_of(D, BatchNorm) == ([] if norm == "none" else ["down1_norm"])
    if norm == "bn":
        assert list(G.children) == [
            *("linear", "reshape", "linear_norm", "linear_act", "up1", "up1_norm", "up1_act", "up0", "sigmoid")
        ]
        assert list(D.children) == ["down0", "down0_act", "down1", "down1_norm", "down1_act", "last", "logit"]


@pytest.mark.parametrize("norm", ["wn", "wn-affine"])
def test_weight_norm_structure(norm):
    G, D = generator((16, 16), 5, 4, norm), discriminator((16, 16), 4, norm)
    assert layers_of(G, WeightNorm) == ["linear", "up1", "up0"]
    assert layers_of(D, WeightNorm) == ["down0", "down1", "last"]
    assert arrays_of(G, "b") == arrays_of(D, "b") == layers_of(G, BatchNorm) == layers_of(D, BatchNorm) == []
    affine_G, affine_D = (["up0"], ["last"]) if norm == "wn" else (layers_of(G, WeightNorm), layers_of(D, WeightNorm))
    assert arrays_of(G, "scale") == arrays_of(G, "bias") == affine_G
    assert arrays_of(D, "scale") == arrays_of(D, "bias") == affine_D
    activation, other = (TPReLU, PReLU) if norm == "wn" else (PReLU, TPReLU)
    assert layers_of(G, activation) == ["linear_act", "up1_act"]
    assert layers_of(D, activation) == ["down0_act", "down1_act"]
    assert layers_of(G, other) == layers_of(D, other) == []


@every_norm
def test_one_image(norm):
    G, D = generator((12, 18), 3, 2, norm), discriminator((12, 18), 2, norm)
    prepare(G)
    prepare(D)
    images = G(rng_for(0, "codes").standard_normal((1, 3)), training=True)[0]
    assert images.shape == (1, 12, 18, 3)
    assert D(images, training=True)[0].shape == (1,)
