"""The paper's measure: how well can the generator draw an image that it has never seen?

For each held-out image x, min over z of ‖G(z) − x‖², searched by gradient descent on z from z = 0 with G frozen. Lower
is better: a generator that dropped a kind of image cannot draw it whatever its code.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tinygan.array import Array
from tinygan.device import Backend
from tinygan.errors import Choices, InputError
from tinygan.frozen import frozen
from tinygan.layers import Layer
from tinygan.layers.base import described
from tinygan.optim import Adam, RMSProp
from tinygan.parameters import Parameters

OPTIMISERS = Choices("optimiser", {"rmsprop": RMSProp, "adam": Adam})


class Search(NamedTuple):
    """How codes are searched for; the defaults are those of the paper's code (notes A4)."""

    steps: int = 50  # of the descent, in the running test; 2,000 in the final one
    learning_rate: float = 0.01
    optimiser: str = "rmsprop"  # a name in OPTIMISERS
    restarts: int = 0  # further searches from random codes besides the one from 0; the best of an image counts


class Reconstruction(NamedTuple):
    """What a search found, on the host."""

    codes: np.ndarray  # (N, Z)
    images: np.ndarray  # G(codes), floats in [0, 1], (N, H, W, 3)
    losses: np.ndarray  # squared error per value of each image, float64 (N,)


def search_codes(
    network: Layer,
    targets: Array,
    start: np.ndarray,
    search: Search,
    backend: Backend,
    after_step: Callable[[], object] = lambda: None,
) -> Reconstruction:
    """Descend from the codes ``start`` (N, Z), on the host, towards ``targets`` (N, H, W, 3), all at once.

    Each image has its own loss, L = mean over its H·W·3 values of (G(z) − x)², and only its own gradient dL/dz: no mean
    over the batch is taken, which would shrink the gradient against the optimiser's ε. With G in evaluation mode an
    image's result then depends on the others by rounding alone, and any batch size gives the same figure. The loss is
    that after the last step, as in the paper, not the lowest on the way. InputError: targets that are no such images.
    """
    codes = Parameters({"z": start.shape}, backend)
    codes["z"][...] = backend.to_device(start)
    gradients = codes.zeros_like()
    optimiser = OPTIMISERS[search.optimiser](codes)
    generator = frozen(network)
    for step in range(search.steps + 1):
        images, backward = generator(codes["z"], training=False)
        if targets.shape != images.shape or targets.dtype.kind != "f":
            raise InputError(f"expected targets as floats in [0, 1] {images.shape}; found {described(targets)}")
        error = images - targets
        if step < search.steps:
            gradients["z"][...] = backward(error * (2 / targets[0].size))
            optimiser.update(codes, gradients, search.learning_rate)
            after_step()
    losses = backend.to_host((error * error).sum(axis=(1, 2, 3))).astype(np.float64) / targets[0].size
    return Reconstruction(backend.to_host(codes["z"]).copy(), backend.to_host(images), losses)


def summary(result: Reconstruction) -> dict[str, float]:
    """The figures that are reported, over N images.

    ``loss``: mean squared error per value on [0, 1]; ``std``: its standard deviation over images; ``psnr``: of the
    mean loss, −10·log₁₀ loss, in dB; ``z2``: mean of ‖z‖²/Z, 1 for the prior's codes, far above it beyond the prior.
    """
    loss = float(result.losses.mean())
    return {
        "loss": loss,
        "std": float(result.losses.std()),
        "psnr": -10 * float(np.log10(max(loss, 1e-300))),
        "z2": float(np.square(result.codes.astype(np.float64)).mean()),
    }


def join(parts: list[Reconstruction]) -> Reconstruction:
    """Results of consecutive batches as one."""
    return Reconstruction(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
