"""Training by ranks of MPI: each makes the game anew, gets the first one's state, and reads its shard of the images.

Only the first rank has a run folder. What it asks for in an iteration is a number and a learning rate; everything else
follows from the options.
"""

from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np

from tinygan import ops
from tinygan.data.batches import BatchSource
from tinygan.device import Backend, open_backend
from tinygan.errors import TinyganError, UsageError
from tinygan.runtime.collectives import all_gather, own_part, split_evenly
from tinygan.runtime.launched import launched
from tinygan.training.feed import latent_codes, to_unit_range
from tinygan.training.options import Options
from tinygan.training.session import batch_source, build_game, load_images
from tinygan.training.step import SCHEDULES, Game, Losses


class Shard(NamedTuple):
    """What a rank trains with; ``source`` gives it its part of each batch. Without, it only searches."""

    options: Options
    backend: Backend
    game: Game
    source: BatchSource | None


def several() -> bool:
    """Whether this is one of several ranks."""
    return launched()[1] > 1


def open_ranks(
    options: Options, backend: Backend, game: Game, source: BatchSource | None = None, fingerprint: str = ""
) -> AbstractContextManager[Any]:
    """Have all ranks hold ``game`` as it is now: the :class:`tinygan.runtime.ranks.RankGroup`.

    Args:
        source: of the training images, which the other ranks open as well.
        fingerprint: of these images.

    Raises:
        UsageError: the device is a GPU, or the batch has fewer images than there are ranks.
        TinyganError: a rank cannot open the images, or finds other ones.
    """
    from tinygan.runtime.ranks import RankGroup  # only here: it starts MPI

    group = RankGroup()
    if backend.device != "cpu":
        raise UsageError("several ranks compute on the CPU only: give --device cpu, or start one process")
    if source and options.batch_size < group.size:
        raise UsageError(f"--batch-size {options.batch_size} gives the {group.size} ranks less than an image each")
    group.context, group.own = game, Shard(options, backend, game, source)
    group.ask(_open, [(options, backend.dtype.name, fingerprint)] * group.size)
    if source:
        source.part = split_evenly(options.batch_size, group.size)[0]
    group.together(_take_state)
    return group


def iterate(group: Any, number: int, learning_rate: float) -> Losses:
    """Iteration 1, 2, … by all ranks."""
    return group.together(_step, number, learning_rate)


def make_whole(group: Any) -> None:
    """Let the first rank have all that a checkpoint holds."""
    group.together(_make_whole)


def _open(group: Any, options: Options, precision: str, fingerprint: str) -> None:
    if group.rank == 0:  # it has opened all of this
        return
    ops.use(options.ops)
    backend = open_backend("cpu", precision)
    source = None
    if fingerprint:
        images = load_images(options)
        if images.fingerprint() != fingerprint:
            raise TinyganError(f"the images of {images.source} are not those of the first rank: give all the same data")
        source = batch_source(images, options, backend)
        source.part = split_evenly(options.batch_size, group.size)[group.rank]
    game = build_game(options, backend)
    group.context, group.own = game, Shard(options, backend, game, source)


def _take_state(group: Any) -> None:
    for player in group.own.game[:2]:
        for store in player.stores().values():
            group.spread(store.flat)


def _make_whole(group: Any) -> None:
    for player in group.own.game[:2]:
        player.make_whole()


def _step(group: Any, number: int, learning_rate: float) -> Losses:
    options, backend, game, source = group.own
    schedule, N = SCHEDULES[options.schedule], options.batch_size
    rows = own_part(N)
    real = to_unit_range(source.batch(number), backend)
    codes = backend.to_device(latent_codes(options, number, schedule.code_batches)[:, rows])
    losses = schedule.step(game._replace(share=len(real) / N), real, codes, learning_rate)
    return Losses(*all_gather(np.array(losses)).sum(axis=0))
