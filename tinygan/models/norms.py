"""What ``norm`` decides, layer by layer, for every network of the paper's comparison.

    none       bias                                   PReLU
    bn         bias, batch norm                       PReLU     plain addition of branches
    wn         strict weight norm (no bias, scale)    TPReLU    weight-normalised addition
    wn-affine  affine weight norm everywhere          PReLU     weight-normalised addition

The networks say where the exceptions are: layers without batch norm, and affine layers under ``wn``.
"""

from tinygan.errors import UsageError
from tinygan.layers import Addition, BatchNorm, BilinearLayer, PReLU, TPReLU, WeightNorm, WeightNormalisedAddition
from tinygan.layers.base import Layer

NORMS = ("none", "bn", "wn", "wn-affine")
FIRST_LAYER_FACTOR = 0.01  # initial bound of G's first layer under weight norm, relative to the others (notes A3)


def weighted(layer: BilinearLayer, norm: str, affine: bool = False) -> Layer:
    """``layer`` as it is, or under weight norm: strict or affine in ``wn``, always affine in ``wn-affine``."""
    if norm not in NORMS:
        raise UsageError(f"unknown norm {norm!r}: choose one of {', '.join(NORMS)}")
    if not weight_normalised(norm):
        return layer
    return WeightNorm(layer, affine=affine or norm == "wn-affine")


def weight_normalised(norm: str) -> bool:
    """Whether weights are divided by their length."""
    return norm in ("wn", "wn-affine")


def first_layer_factor(norm: str) -> float:
    """The initial bound of G's first layer relative to the others."""
    return FIRST_LAYER_FACTOR if weight_normalised(norm) else 1.0


def batch_norm(name: str, channels: int, norm: str) -> dict[str, Layer]:
    """What follows the weighted layer ``name``: batch norm as ``<name>_norm`` in ``bn``, else nothing."""
    return {f"{name}_norm": BatchNorm(channels)} if norm == "bn" else {}


def activation(channels: int, norm: str) -> Layer:
    """The activation after a layer: translated where strict weight norm leaves no bias."""
    return TPReLU(channels) if norm == "wn" else PReLU(channels)


def addition(residual: Layer, shortcut: Layer, channels: int, norm: str) -> Addition:
    """The sum of two branches."""
    if weight_normalised(norm):
        return WeightNormalisedAddition(residual, shortcut, channels)
    return Addition(residual, shortcut)
