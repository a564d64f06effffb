"""The least work that one training step takes, whoever does it; shares of the machine's limit are counted from it."""

from typing import NamedTuple

import numpy as np

from benchmarks.workload import Workload
from tinygan.layers import Conv2d, ConvTranspose2d, Layer, WeightNorm, initialise
from tinygan.layers.linear import BilinearLayer

OPTIMISER_SWEEPS = 6  # of a network's parameters: weight and average read and written, gradient read and cleared


class Product(NamedTuple):
    """The matrix product of one layer for the whole batch, with the number of values in its three arrays."""

    operations: int
    inputs: int
    outputs: int
    weights: int

    def bytes(self, itemsize: int) -> int:
        """Each of the three arrays moved once."""
        return (self.inputs + self.outputs + self.weights) * itemsize


class Work(NamedTuple):
    """Floating-point operations (a multiplication and an addition count as two) and bytes moved."""

    operations: int
    bytes: int


def layers(workload: Workload) -> tuple[list[Product], list[Product]]:
    """The products of G and D in a forward pass, layer by layer, from one image and multiplied by the batch."""
    G, D = workload.networks()
    for network in (G, D):
        initialise(network, np.random.default_rng(0))
    code = np.zeros((1, workload.code_size), np.float32)
    image = np.zeros((1, workload.size, workload.size, 3), np.float32)
    return _products(G, code, workload.batch), _products(D, image, workload.batch)


def _products(network: Layer, x: np.ndarray, batch: int) -> list[Product]:
    """What the weighted layers of ``network`` multiply when it is called on x."""
    weighted = [layer.inner if isinstance(layer, WeightNorm) else layer for layer in network.walk()]
    weighted = [layer for layer in weighted if isinstance(layer, BilinearLayer)]
    found = []

    def watch(layer: BilinearLayer) -> None:
        product = layer.apply_weight

        def watched(x, w, b=None):
            y, backward = product(x, w, b)
            # A kernel visits every output pixel of a convolution, and every input pixel of a transposed one.
            visited = {Conv2d: y, ConvTranspose2d: x}.get(type(layer))
            positions = 1 if visited is None else visited.shape[1] * visited.shape[2]
            found.append(Product(2 * batch * positions * w.size, batch * x.size, batch * y.size, w.size))
            return y, backward

        layer.apply_weight = watched

    for layer in weighted:
        watch(layer)
    network(x)
    return found


def step_work(workload: Workload, itemsize: int) -> Work:
    """The least work that fits the schedule's definition.

    Every layer has three products of the same size: forward, input gradient, weight gradient. A network's first layer
    needs no input gradient unless somebody wants the images' own. In ``shared``, without batch norm, one chain of input
    gradients through D serves both losses of the generated images.
    """
    G, D = layers(workload)
    passes: list[Product] = []
    learn_g = G * 3  # forward, weight gradients, input gradients
    learn_d, judge_for_g = [*D * 3], [*D * 2]
    if workload.schedule == "shared":
        passes += [*learn_g[1:], *learn_d[1:], *learn_d]  # D: on real images; on generated ones, down to the images
        passes += D[1:] if workload.norm == "bn" else []
    else:
        passes += [*G, *learn_d[1:], *learn_d[1:], *learn_g[1:], *judge_for_g]
    weights = sum(product.weights for product in (*G, *D))
    return Work(
        sum(product.operations for product in passes),
        sum(product.bytes(itemsize) for product in passes) + OPTIMISER_SWEEPS * weights * itemsize,
    )
