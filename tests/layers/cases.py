"""Every layer in the shapes that go wrong: odd sizes, one image, non-square maps, uneven kernels, strides and pads.

Convolutions of few and of many channels: from 8 on they are computed on tiles (``ops/cpu/correlate.py``).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from tinygan.device import open_backend
from tinygan.gradcheck import randomise
from tinygan.init import uniform
from tinygan.layers import (
    Addition,
    AveragePool,
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Crop,
    Layer,
    LeakyReLU,
    Linear,
    NearestDouble,
    Pad,
    PReLU,
    ReLU,
    Rescale,
    Reshape,
    ScaleShift,
    Sequential,
    Sigmoid,
    Tanh,
    TPReLU,
    TReLU,
    WeightNorm,
    WeightNormalisedAddition,
    initialise,
)
from tinygan.parameters import Parameters
from tinygan.rng import rng_for


class Case(NamedTuple):
    """A layer to be, the shape of its input, and the mode it runs in."""

    build: Callable[[], Layer]
    shape: tuple[int, ...]
    training: bool = True


def tracked_batch_norm(channels: int) -> BatchNorm:
    """Batch norm whose running statistics start as if it had seen data: neither mean 0 nor variance 1."""
    layer = BatchNorm(channels)
    layer.buffer("running_mean", (channels,), uniform(-1.0, 1.0))
    layer.buffer("running_var", (channels,), uniform(0.5, 2.0))
    return layer


def nested() -> Sequential:
    """Sequences in sequences. The rectifier comes first, where the test chooses its input; the rest is smooth.

    The convolution has no bias: batch norm takes it out again, and of a gradient that is 0 only rounding is left.
    """
    head = Sequential({"flat": Reshape((-1,)), "linear": Linear(4 * 6 * 3, 2), "logit": Linear(2, 1, bias=False)})
    body = Sequential({"conv": Conv2d(3, 3, 3, pad=1, bias=False), "norm": BatchNorm(3), "tanh": Tanh(), "head": head})
    return Sequential({"act": TPReLU(3), "up": WeightNorm(ConvTranspose2d(3, 3, 4, stride=2, pad=2)), "body": body})


def conv_and_identity() -> tuple[Layer, Layer]:
    """Two branches of one shape: one with parameters of its own, one that hands its input through."""
    return Sequential({"conv": Conv2d(3, 3, 3, pad=1)}), Sequential({})


def both_halve() -> tuple[Layer, Layer]:
    """Two branches that both change the size and the channels, as a residual block's."""
    down = Conv2d(2, 3, 4, stride=2, pad=(1, 2), bias=False)
    return down, Sequential({"pad": Pad((0, 1)), "mean": AveragePool(), "conv": Conv2d(2, 3, 1)})


CASES = {
    "linear": Case(lambda: Linear(5, 3), (4, 5)),
    "linear-no-bias": Case(lambda: Linear(5, 3, bias=False), (4, 5)),
    "linear-one-row": Case(lambda: Linear(5, 1), (1, 5)),
    "conv-4x4-stride2-pad1": Case(lambda: Conv2d(3, 2, 4, stride=2, pad=1), (2, 7, 5, 3)),
    "conv-4x4-stride2-pad2": Case(lambda: Conv2d(3, 2, 4, stride=2, pad=2), (1, 6, 9, 3)),
    "conv-4x4-stride2-pad1x2": Case(lambda: Conv2d(3, 2, 4, stride=2, pad=(1, 2)), (2, 8, 6, 3)),
    "conv-3x3-pad1-no-bias": Case(lambda: Conv2d(3, 2, 3, pad=1, bias=False), (2, 5, 3, 3)),
    "conv-1x1": Case(lambda: Conv2d(3, 2, 1), (2, 3, 5, 3)),
    "conv-full-map": Case(lambda: Conv2d(3, 1, (3, 5)), (2, 3, 5, 3)),
    "conv-2x3-stride3x2": Case(lambda: Conv2d(1, 2, (2, 3), stride=(3, 2), pad=(0, 1)), (1, 9, 6, 1)),
    "conv-wide-4x4-stride2-pad1": Case(lambda: Conv2d(8, 9, 4, stride=2, pad=1), (2, 7, 5, 8)),
    "conv-wide-4x4-stride2-pad1x2-one-image": Case(lambda: Conv2d(9, 8, 4, stride=2, pad=(1, 2)), (1, 14, 11, 9)),
    "conv-wide-3x3-pad1": Case(lambda: Conv2d(8, 8, 3, pad=1), (3, 5, 4, 8)),
    "conv-wide-3x3-pad1-one-image": Case(lambda: Conv2d(8, 10, 3, pad=1, bias=False), (1, 7, 6, 8)),
    "conv-wide-2x2-stride1": Case(lambda: Conv2d(8, 8, 2), (2, 4, 3, 8)),
    "conv-wide-6x6-stride2": Case(lambda: Conv2d(8, 8, 6, stride=2, pad=1), (1, 9, 8, 8)),
    "up-wide-4x4-stride2-pad1": Case(lambda: ConvTranspose2d(8, 9, 4, stride=2, pad=1), (2, 3, 5, 8)),
    "up-wide-4x4-stride2-pad2-one-image": Case(lambda: ConvTranspose2d(9, 8, 4, stride=2, pad=2), (1, 7, 6, 9)),
    "up-wide-3x3-pad1": Case(lambda: ConvTranspose2d(8, 8, 3, pad=1, bias=False), (3, 5, 4, 8)),
    "up-wide-3x3-pad1-one-image": Case(lambda: ConvTranspose2d(8, 8, 3, pad=1), (1, 6, 7, 8)),
    "up-4x4-stride2-pad1": Case(lambda: ConvTranspose2d(3, 2, 4, stride=2, pad=1), (2, 3, 5, 3)),
    "up-4x4-stride2-pad2": Case(lambda: ConvTranspose2d(3, 2, 4, stride=2, pad=2), (1, 4, 3, 3)),
    "up-4x4-stride2-pad1x2": Case(lambda: ConvTranspose2d(3, 2, 4, stride=2, pad=(1, 2)), (2, 2, 5, 3)),
    "up-3x3-pad1-no-bias": Case(lambda: ConvTranspose2d(3, 2, 3, pad=1, bias=False), (2, 5, 3, 3)),
    "up-1x1": Case(lambda: ConvTranspose2d(3, 2, 1), (2, 3, 5, 3)),
    "up-full-map": Case(lambda: ConvTranspose2d(3, 2, (3, 5)), (2, 1, 1, 3)),
    "up-2x3-stride3x2": Case(lambda: ConvTranspose2d(2, 1, (2, 3), stride=(3, 2), pad=(0, 1)), (1, 3, 4, 2)),
    "wn-linear-strict": Case(lambda: WeightNorm(Linear(5, 3)), (4, 5)),
    "wn-linear-affine": Case(lambda: WeightNorm(Linear(5, 3), affine=True), (4, 5)),
    "wn-conv-strict": Case(lambda: WeightNorm(Conv2d(3, 2, 4, stride=2, pad=(1, 2))), (2, 7, 6, 3)),
    "wn-conv-affine": Case(lambda: WeightNorm(Conv2d(3, 2, 3, stride=(1, 2)), affine=True), (1, 4, 5, 3)),
    "wn-up-strict": Case(lambda: WeightNorm(ConvTranspose2d(3, 2, 4, stride=(2, 3), pad=1)), (2, 3, 2, 3)),
    "wn-up-affine": Case(lambda: WeightNorm(ConvTranspose2d(3, 2, 4, stride=2, pad=1), affine=True), (1, 2, 3, 3)),
    "wn-conv-wide": Case(lambda: WeightNorm(Conv2d(8, 9, 4, stride=2, pad=1), affine=True), (2, 6, 4, 8)),
    "wn-up-wide-one-image": Case(lambda: WeightNorm(ConvTranspose2d(8, 9, 4, stride=2, pad=1)), (1, 3, 4, 8)),
    # ε as large as Σw² itself: a term of the gradient that drops ε shows at full size.
    "wn-conv-large-epsilon": Case(lambda: WeightNorm(Conv2d(2, 3, 2), affine=True, epsilon=4.0), (2, 3, 4, 2)),
    "wn-up-large-epsilon": Case(lambda: WeightNorm(ConvTranspose2d(3, 2, 2, stride=2), epsilon=4.0), (2, 3, 2, 3)),
    "bn-rows": Case(lambda: BatchNorm(3), (5, 3)),
    "bn-images": Case(lambda: BatchNorm(3), (2, 5, 3, 3)),
    "bn-one-image": Case(lambda: BatchNorm(2), (1, 3, 5, 2)),
    "bn-rows-evaluation": Case(lambda: tracked_batch_norm(3), (5, 3), training=False),
    "bn-images-evaluation": Case(lambda: tracked_batch_norm(3), (1, 5, 3, 3), training=False),
    "relu": Case(ReLU, (2, 5, 3, 2)),
    "leaky-relu": Case(lambda: LeakyReLU(0.35), (3, 7)),
    "prelu": Case(lambda: PReLU(3), (2, 5, 3, 3)),
    "trelu": Case(lambda: TReLU(3), (2, 5, 3, 3)),
    "tprelu": Case(lambda: TPReLU(3), (1, 7, 5, 3)),
    "tprelu-rows": Case(lambda: TPReLU(3), (7, 3)),
    "average-pool": Case(AveragePool, (2, 6, 4, 3)),
    "average-pool-one-block": Case(AveragePool, (1, 2, 2, 1)),
    "nearest-double": Case(NearestDouble, (2, 3, 5, 3)),
    "nearest-double-one-pixel": Case(NearestDouble, (1, 1, 1, 2)),
    "pad": Case(lambda: Pad((1, 2)), (2, 3, 5, 2)),
    "pad-one-axis": Case(lambda: Pad((0, 1)), (1, 3, 2, 2)),
    "crop": Case(lambda: Crop((1, 2)), (2, 5, 7, 2)),
    "crop-one-axis": Case(lambda: Crop((1, 0)), (1, 4, 3, 2)),
    "scale-shift": Case(lambda: ScaleShift(3), (2, 5, 3, 3)),
    "scale-shift-rows": Case(lambda: ScaleShift(3), (5, 3)),
    "rescale": Case(lambda: Rescale(2.0, -1.0), (2, 5, 3, 3)),
    "addition": Case(lambda: Addition(*conv_and_identity()), (2, 5, 3, 3)),
    "addition-both-halve": Case(lambda: Addition(*both_halve()), (2, 4, 6, 2)),
    "wn-addition": Case(lambda: WeightNormalisedAddition(*conv_and_identity(), 3), (2, 5, 3, 3)),
    "wn-addition-one-image": Case(lambda: WeightNormalisedAddition(*conv_and_identity(), 3), (1, 3, 5, 3)),
    "wn-addition-both-halve": Case(lambda: WeightNormalisedAddition(*both_halve(), 3), (2, 4, 6, 2)),
    "sigmoid": Case(Sigmoid, (3, 5)),
    "tanh": Case(Tanh, (1, 3, 5, 2)),
    "reshape": Case(lambda: Reshape((3, 5, 2)), (2, 30)),
    "reshape-to-scalar": Case(lambda: Reshape(()), (3, 1, 1, 1)),
    "sequential": Case(lambda: Sequential({"act": PReLU(5), "linear": Linear(5, 3), "tanh": Tanh()}), (3, 5)),
    "sequential-nested": Case(nested, (2, 3, 4, 3)),
}

every_layer = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def smooth_input(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Random values of both signs with 0.05 ≤ |x| ≤ 0.25 or 1.05 ≤ |x| ≤ 2.

    ``randomise`` draws shifts from ±[0.3, 1], so no value is within 0.05 of a kink, at 0 or at a shift, and for every
    kink there are values on both sides.
    """
    rng = rng_for(seed, "test input")
    size = np.where(rng.random(shape) < 0.5, rng.uniform(0.05, 0.25, shape), rng.uniform(1.05, 2.0, shape))
    return size * rng.choice([-1.0, 1.0], shape)


def prepare(layer: Layer, precision: str = "float64", seed: int = 0) -> Parameters:
    """Create ``layer``'s arrays and give every parameter a random value ±[0.3, 1]; the same in either precision."""
    parameters, _ = initialise(layer, rng_for(seed, "test layer"), open_backend("cpu", precision))
    randomise(parameters, rng_for(seed, "test parameters"))
    return parameters


def upstream(y: np.ndarray, seed: int = 0) -> np.ndarray:
    """A random upstream gradient for the output ``y``, in its precision."""
    return rng_for(seed, "upstream").standard_normal(y.shape).astype(y.dtype)


def outputs(layer: Layer, parameters: Parameters, x: np.ndarray, training: bool) -> dict[str, np.ndarray]:
    """Everything a forward and a backward pass return: "y", "dx" and the gradients by name."""
    grads = parameters.zeros_like()
    y, backward = layer(x, training)
    dx = backward(upstream(y), grads)
    return {"y": y, "dx": dx, **grads}
