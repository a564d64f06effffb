"""Initial values: the 2017 bounds (notes A3), names, and the same numbers in every precision."""

import numpy as np
import pytest

from tinygan.device import open_backend
from tinygan.layers import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Layer,
    Linear,
    PReLU,
    Sequential,
    TPReLU,
    TReLU,
    WeightNorm,
    initialise,
)
from tinygan.models import resnet
from tinygan.models.dcgan import discriminator, generator
from tinygan.models.norms import NORMS
from tinygan.parameters import Parameters
from tinygan.rng import rng_for


def start(layer: Layer, precision: str = "float64", seed: int = 0) -> tuple[Parameters, Parameters]:
    return initialise(layer, rng_for(seed, "init"), open_backend("cpu", precision))


def assert_uniform(values: np.ndarray, bound: float) -> None:
    """All values within ±bound and reaching 97 % of it on both sides, spread like a uniform distribution."""
    assert np.abs(values).max() <= bound
    assert values.max() > 0.97 * bound
    assert values.min() < -0.97 * bound
    # The standard deviation of 1000 uniform numbers is bound/√3 to about 1.5 %.
    assert values.std() == pytest.approx(bound / np.sqrt(3), rel=0.06)


# 1/√fan_in, fan_in = C_in·kh·kw, for the transposed convolution too, where today's libraries count C_out.
WEIGHTED = {
    "linear": (Linear(25, 400), 1 / 5),
    "conv": (Conv2d(5, 200, (5, 4)), 1 / 10),
    "up": (ConvTranspose2d(5, 200, (5, 4), stride=2), 1 / 10),
    "wn-linear": (WeightNorm(Linear(25, 400), affine=True), 1 / 5),
    "wn-conv": (WeightNorm(Conv2d(5, 200, (5, 4))), 1 / 10),
    "wn-up": (WeightNorm(ConvTranspose2d(5, 200, (5, 4), stride=2)), 1 / 10),
    "linear-factor": (Linear(25, 400, init_factor=0.01), 0.01 / 5),
}


@pytest.mark.parametrize(("layer", "bound"), WEIGHTED.values(), ids=WEIGHTED.keys())
def test_weights_are_uniform_with_the_bound_of_2017(layer, bound):
    assert_uniform(start(layer)[0]["w"], bound)


@pytest.mark.parametrize(
    ("layer", "bound"),
    [(Linear(25, 2000), 1 / 5), (Conv2d(5, 2000, (5, 4)), 1 / 10), (ConvTranspose2d(5, 2000, (5, 4)), 1 / 10)],
    ids=["linear", "conv", "up"],
)
def test_biases_have_the_bound_of_the_weights(layer, bound):
    assert_uniform(start(layer)[0]["b"], bound)


def test_batch_norm_starts_with_gain_between_0_and_1():
    parameters, buffers = start(BatchNorm(2000))
    assert_uniform(2 * parameters["scale"] - 1, 1.0)
    assert parameters["scale"].min() >= 0
    np.testing.assert_array_equal(parameters["shift"], 0)
    np.testing.assert_array_equal(buffers["running_mean"], 0)
    np.testing.assert_array_equal(buffers["running_var"], 1)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (PReLU(3), {"slope": 0.25}),
        (TReLU(3), {"shift": 0.0}),
        (TPReLU(3), {"slope": 0.25, "shift": 0.0}),
        (WeightNorm(Linear(1, 3), affine=True), {"scale": 1.0, "bias": 0.0}),
    ],
    ids=["prelu", "trelu", "tprelu", "affine-weight-norm"],
)
def test_constants(layer, expected):
    parameters, _ = start(layer)
    for name, value in expected.items():
        np.testing.assert_array_equal(parameters[name], np.full(3, value), err_msg=name)


@pytest.mark.parametrize(("norm", "factor"), [("none", 1.0), ("bn", 1.0), ("wn", 0.01), ("wn-affine", 0.01)])
def test_generators_first_layer_starts_small_under_weight_norm(norm, factor):
    parameters, _ = start(generator((16, 12), code_size=16, features=8, norm=norm))
    assert_uniform(parameters["linear.w"], factor / 4)
    assert_uniform(parameters["up1.w"], 1 / np.sqrt(16 * 4 * 4))  # the others do not
    parameters, _ = start(resnet.generator((16, 12), 16, [8, 16], [1, 1], norm))
    assert_uniform(parameters["linear.w"], factor / 4)
    assert_uniform(parameters["up1_block0.sum.residual.tconv0.w"], 1 / np.sqrt(16 * 3 * 3))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("which", ["G", "D"])
def test_both_precisions_start_from_the_same_numbers(norm, which):
    single, double = (
        start(generator((12, 18), 5, 4, norm) if which == "G" else discriminator((12, 18), 4, norm), precision)[0]
        for precision in ("float32", "float64")
    )
    assert single.flat.dtype == np.float32
    assert double.flat.dtype == np.float64
    np.testing.assert_array_equal(single.flat, double.flat.astype(np.float32))


def test_another_seed_gives_other_numbers_and_the_same_seed_the_same():
    first, again, other = (start(Linear(5, 3), seed=seed)[0].flat for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


def test_names_follow_the_nesting_and_arrays_are_views_of_the_flat_vector():
    inner = Linear(3, 2)
    network = Sequential({"first": Linear(4, 3, bias=False), "rest": Sequential({"act": PReLU(3), "second": inner})})
    parameters, buffers = start(network)
    assert list(parameters) == ["first.w", "rest.act.slope", "rest.second.w", "rest.second.b"]
    assert len(buffers) == 0
    assert inner.path("b") == "rest.second.b"
    parameters.flat[:] = np.arange(parameters.flat.size)
    np.testing.assert_array_equal(inner.b, [21, 22])


def test_an_initial_value_may_be_a_number():
    class Gain(Layer):
        def __init__(self):
            super().__init__()
            self.parameter("gain", (), lambda rng, shape: 2.0)

    assert initialise(Gain(), np.random.default_rng(0))[0]["gain"] == 2.0
