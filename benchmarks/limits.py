"""The least work of one training step, whoever does it: what the share of the physical limit is counted from."""

from typing import NamedTuple

from benchmarks.workload import Workload
from tinygan.models.dcgan import pyramid

OPTIMISER_SWEEPS = 6  # of a network's parameters: weight and average read and written, gradient read and cleared


class Product(NamedTuple):
    """The matrix product of one layer for the whole batch: values that go in, come out, and are multiplied by."""

    operations: int
    inputs: int
    outputs: int
    weights: int

    def bytes(self, itemsize: int) -> int:
        """Each of the three arrays moved once."""
        return (self.inputs + self.outputs + self.weights) * itemsize


class Work(NamedTuple):
    """Of a step, an update, a pass: floating-point operations (a multiplication and an addition are two), bytes."""

    operations: int
    bytes: int


def layers(workload: Workload) -> tuple[list[Product], list[Product]]:
    """The products of G and of D, forward, in the order of the layers."""
    N, f, size = workload.batch, workload.features, (workload.size, workload.size)
    sides, _ = pyramid(size)
    levels = len(sides) - 1
    (h, w), deepest = sides[-1], f * 2 ** (levels - 1)
    G = [_product(N, workload.code_size, h * w * deepest)]
    D = []
    for level in reversed(range(levels)):
        small, large = sides[level + 1], sides[level]
        c_in, c_out = f * 2**level, f * 2 ** (level - 1) if level else 3
        G.append(_strided(N, small, c_in, large, c_out))
    for level in range(levels):
        small, large = sides[level + 1], sides[level]
        c_in, c_out = f * 2 ** (level - 1) if level else 3, f * 2**level
        D.append(_strided(N, large, c_in, small, c_out))
    D.append(_product(N, h * w * deepest, 1))
    return G, D


def step_work(workload: Workload, itemsize: int) -> Work:
    """The least that the schedule's definition asks for.

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


def _product(N: int, c_in: int, c_out: int) -> Product:
    return Product(2 * N * c_in * c_out, N * c_in, N * c_out, c_in * c_out)


def _strided(N: int, size_in: tuple[int, int], c_in: int, size_out: tuple[int, int], c_out: int) -> Product:
    """A 4×4 kernel that visits every pixel of the smaller map."""
    pixels_in, pixels_out = size_in[0] * size_in[1], size_out[0] * size_out[1]
    positions, weights = min(pixels_in, pixels_out), 16 * c_in * c_out
    return Product(2 * N * positions * weights, N * pixels_in * c_in, N * pixels_out * c_out, weights)
