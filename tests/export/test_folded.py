"""The flat list: the same map as the network, with nothing left to normalise."""

import numpy as np
import pytest

from tests.export.networks import BUILD, network
from tests.layers.cases import CASES, prepare, smooth_input
from tinygan.errors import TinyganError
from tinygan.export import numpy_network
from tinygan.export.folded import operations_of
from tinygan.layers import Layer, Linear, Sequential, WeightNorm
from tinygan.models.norms import NORMS


def run(operations, x):
    """By the module that is written beside an export."""
    values = [x]
    for one in operations:
        settings = one.settings
        values.append(numpy_network.RUN[one.kind](*(values[k] for k in one.inputs), **one.arrays, **settings))
    return values[-1]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("which", BUILD)
def test_the_same_map(which, norm):
    layer, x = network(which, norm, "float64")
    y, operations = layer(x)[0], operations_of(layer)
    np.testing.assert_allclose(run(operations, x), y, rtol=1e-5, atol=1e-5 * np.abs(y).max())
    assert all(array.dtype == np.float32 for one in operations for array in one.arrays.values())
    assert len({one.name for one in operations}) == len(operations)
    kinds = {one.kind for one in operations}
    assert ("scale_shift" in kinds) == (which == "resnet D" or (which, norm) == ("resnet G", "wn"))  # no batch norm


@pytest.mark.parametrize("name", CASES)
def test_every_layer(name):
    layer, x = CASES[name].build(), smooth_input(CASES[name].shape)
    prepare(layer)
    y = layer(x)[0]
    np.testing.assert_allclose(run(operations_of(layer), x), y, rtol=1e-5, atol=1e-5)


def test_batch_norm_that_follows_no_weighted_layer_stays():
    layer = Sequential({"first": CASES["bn-images-evaluation"].build()})
    prepare(layer)
    x = smooth_input((2, 4, 5, 3))
    operations = operations_of(layer)
    assert [one.kind for one in operations] == ["scale_shift"]
    np.testing.assert_allclose(run(operations, x), layer(x)[0], rtol=1e-5, atol=1e-6)


def test_a_layer_of_ones_own_is_named():
    class Swish(Layer):
        """y = x·σ(x)."""

    with pytest.raises(TinyganError, match="a layer Swish cannot be exported"):
        operations_of(Sequential({"act": Swish()}))


def test_a_layer_of_ones_own_that_inherits_from_one_of_tinygans_is_named():
    class Skip(Sequential):
        def __call__(self, x, training=False):
            y, _ = super().__call__(x, training)
            return x + y, None

    class Turned(Linear):
        def apply_weight(self, x, w, b=None, frozen=None):
            return super().apply_weight(x[:, ::-1], w, b, frozen)

    for own in (Skip([Linear(3, 3)]), Turned(3, 3)):
        prepare(own)
        with pytest.raises(TinyganError, match=f"a layer {own!r} cannot be exported"):
            operations_of(Sequential({"own": own}))


class Doubling(Linear):
    """Its own way with the weight, under its parent's name for a pass."""

    def apply_weight(self, x, w, b=None, frozen=None):
        return super().apply_weight(x, 2 * w, b, frozen)


@pytest.mark.parametrize("layer", [Doubling(3, 2), WeightNorm(Doubling(3, 2))], ids=repr)
def test_a_weight_of_ones_own_is_named(layer):
    prepare(layer)
    with pytest.raises(TinyganError, match="a layer Doubling cannot be exported"):
        operations_of(Sequential({"act": layer}))


def test_two_layers_that_would_have_one_name_are_refused():
    network = Sequential({"a": Sequential({"b": Linear(3, 3)}), "a_b": Linear(3, 3)})
    prepare(network)
    with pytest.raises(TinyganError, match=r"two layers would have one name there, .*: rename one"):
        operations_of(network)
