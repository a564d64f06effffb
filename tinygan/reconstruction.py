"""The paper's measure: how well can the generator draw an image that it has never seen?

For each held-out image x, min over z of ‖G(z) − x‖², searched by gradient descent on z from z = 0 with G frozen. Lower
is better: a generator that dropped a kind of image cannot draw it whatever its code.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tinygan.array import Array
from tinygan.device import Backend
from tinygan.frozen import frozen
from tinygan.layers import Layer
from tinygan.optim import Adam, RMSProp
from tinygan.parameters import Parameters
from tinygan.runtime.collectives import split_evenly
from tinygan.runtime.workers import WorkerGroup

VALUES_AT_ONCE = {"cpu": 200 * 32 * 32 * 3, "gpu": 1000 * 32 * 32 * 3}
FEWEST_AT_ONCE = 16  # images
OPTIMISERS = {"rmsprop": RMSProp, "adam": Adam}


class Search(NamedTuple):
    """How codes are searched for; the defaults are those of the paper's code (notes A4).

    Attributes:
        steps: descent steps; 50 in the running test, 2,000 in the final one.
        learning_rate: of the optimiser.
        optimiser: a name in ``OPTIMISERS``.
        restarts: further searches from random codes besides the one from 0; the best of an image counts.
    """

    steps: int = 50
    learning_rate: float = 0.01
    optimiser: str = "rmsprop"
    restarts: int = 0


class Reconstruction(NamedTuple):
    """What a search found, on the host.

    Attributes:
        codes: (N, Z).
        images: G(codes), floats in [0, 1], (N, H, W, 3).
        losses: squared error per value of each image, float64 (N,).
    """

    codes: np.ndarray
    images: np.ndarray
    losses: np.ndarray


def usual_batch(image_shape: tuple[int, ...], device: str) -> int:
    """How many images of shape (H, W, 3) to search for at once, for speed: 200 at 32×32, fewer of larger ones.

    Each step reads all weights; with more images they are used for longer. A GPU takes five times as many, so that work
    outweighs launch overhead (untested). Memory grows with the batch.
    """
    return max(FEWEST_AT_ONCE, VALUES_AT_ONCE[device] // math.prod(image_shape))


def search_codes(
    network: Layer,
    targets: Array,
    start: Array,
    search: Search,
    backend: Backend,
    after_step: Callable[[], object] = lambda: None,
) -> Reconstruction:
    """Descend from the codes ``start`` (N, Z) towards ``targets`` (N, H, W, 3), all at once.

    Each image has its own loss, L = mean over its H·W·3 values of (G(z) − x)², and only its own gradient dL/dz: no mean
    over the batch is taken, which would shrink the gradient against the optimiser's ε. With G in evaluation mode an
    image's result then depends on the others by rounding alone, and any batch size gives the same figure. The loss is
    that after the last step, as in the paper, not the lowest on the way.
    """
    codes = Parameters({"z": start.shape}, backend)
    codes["z"][...] = start
    gradients = codes.zeros_like()
    optimiser = OPTIMISERS[search.optimiser](codes)
    values = targets[0].size
    generator = frozen(network)
    for _ in range(search.steps):
        images, backward = generator(codes["z"], training=False)
        gradients["z"][...] = backward((images - targets) * (2 / values))
        optimiser.update(codes, gradients, search.learning_rate)
        after_step()
    images = generator(codes["z"], training=False)[0]
    error = images - targets
    losses = backend.to_host((error * error).sum(axis=(1, 2, 3))).astype(np.float64) / values
    return Reconstruction(backend.to_host(codes["z"]).copy(), backend.to_host(images), losses)


def reconstruct(
    network: Layer,
    targets: np.ndarray,
    code_size: int,
    search: Search,
    backend: Backend,
    batch_size: int,
    random_codes: Callable[[int], np.ndarray] | None = None,
    workers: WorkerGroup | None = None,
    after_step: Callable[[], object] = lambda: None,
) -> Iterator[Reconstruction]:
    """Search for ``targets``, uint8 (M, H, W, 3) on the host, batch by batch, and yield each batch's result.

    Memory is that of one batch. With ``search.restarts``, ``random_codes(r)`` gives start r = 1, 2, … for all targets,
    (M, Z), and each image keeps the best of its searches. ``workers``, processes that know the game ``network`` plays
    in, share each batch out. Without them, ``after_step`` is called after each step, to show progress.
    """

    def found(batch: Array, start: Array) -> Reconstruction:
        if workers is None:
            return search_codes(network, batch, start, search, backend, after_step)
        shards = [shard for shard in split_evenly(len(batch), workers.size) if shard.stop > shard.start]
        return join(workers.run(_search_shard, [(batch[shard], start[shard], search) for shard in shards]))

    for first in range(0, len(targets), batch_size):
        rows = slice(first, first + batch_size)
        batch = backend.xp.asarray(targets[rows]).astype(backend.dtype) / 255
        zeros = backend.xp.zeros((len(batch), code_size), backend.dtype)
        best = found(batch, zeros)
        for restart in range(1, search.restarts + 1):
            start = backend.to_device(random_codes(restart)[rows])
            best = _better(best, found(batch, start))
        yield best


def _search_shard(game: Any, targets: np.ndarray, start: np.ndarray, search: Search) -> Reconstruction:
    """One process's part of a batch, with the generator that it was forked with."""
    generator = game.generator
    return search_codes(generator.network, targets, start, search, generator.parameters.backend)


def summary(result: Reconstruction) -> dict[str, float]:
    """The figures that are reported, over N images.

    ``loss``: mean squared error per value on [0, 1]; ``std``: its standard deviation over images; ``psnr``: of the
    mean loss, −10·log₁₀ loss, in dB; ``z2``: mean of ‖z‖²/Z, 1 for codes of the prior: far above it, the search has
    left what the generator was trained on.
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


def _better(one: Reconstruction, other: Reconstruction) -> Reconstruction:
    """Image by image the one with the lower loss."""
    takes_other = other.losses < one.losses
    return Reconstruction(
        *(np.where(takes_other.reshape(-1, *[1] * (a.ndim - 1)), b, a) for a, b in zip(one, other, strict=True))
    )
