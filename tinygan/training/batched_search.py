"""The measure of :mod:`tinygan.reconstruction` for many images: batch by batch, each divided among processes."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygan.device import Backend
from tinygan.errors import UsageError
from tinygan.layers import Layer
from tinygan.reconstruction import Reconstruction, Search, join, search_codes
from tinygan.runtime.collectives import split_evenly
from tinygan.runtime.workers import WorkerGroup
from tinygan.training.feed import to_unit_range

VALUES_AT_ONCE = {"cpu": 200 * 32 * 32 * 3, "gpu": 1000 * 32 * 32 * 3}
FEWEST_AT_ONCE = 16  # images


def usual_batch(image_shape: tuple[int, ...], device: str) -> int:
    """How many images of shape (H, W, 3) to search for at once, for speed: 200 at 32×32, fewer of larger ones.

    Each step reads all weights; with more images they are used for longer. A GPU takes five times as many, so that work
    outweighs launch overhead (untested). Memory grows with the batch.
    """
    return max(FEWEST_AT_ONCE, VALUES_AT_ONCE[device] // math.prod(image_shape))


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
    (M, Z), and each image keeps the best of its searches. Each batch is divided among ``workers``, whose context is the
    game of ``network``. Without them, ``after_step`` is called after each step, to show progress.
    """

    if search.restarts and random_codes is None:
        raise UsageError("a search with restarts needs random_codes, which gives their starts")

    def found(batch: np.ndarray, start: np.ndarray) -> Reconstruction:
        if workers is None:
            return search_codes(network, to_unit_range(batch, backend), start, search, backend, after_step)
        shards = [shard for shard in split_evenly(len(batch), workers.size) if shard.stop > shard.start]
        return join(workers.run(_search_shard, [(batch[shard], start[shard], search) for shard in shards]))

    for first in range(0, len(targets), batch_size):
        rows = slice(first, first + batch_size)
        batch = targets[rows]
        best = found(batch, np.zeros((len(batch), code_size)))
        for restart in range(1, search.restarts + 1):
            other = found(batch, random_codes(restart)[rows])
            better = (other.losses < best.losses) | np.isnan(best.losses)
            for kept, new in zip(best, other, strict=True):
                kept[better] = new[better]
        yield best


def _search_shard(game: Any, targets: np.ndarray, start: np.ndarray, search: Search) -> Reconstruction:
    """One process's part of a batch, bytes on the host, with its own generator on its own device."""
    network, backend = game.generator.network, game.generator.parameters.backend
    return search_codes(network, to_unit_range(targets, backend), start, search, backend)
