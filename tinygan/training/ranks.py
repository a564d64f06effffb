"""Training by ranks of MPI: each builds the game, gets the first one's state, and reads its shard of the images.

Only the first rank has a run folder. It asks for an iteration by its number and learning rate; everything else follows
from the options. Each rank on a GPU has one of its own and captures its part of the iteration; NCCL exchanges.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygan import ops
from tinygan.data.batches import BatchSource
from tinygan.device import Backend, open_backend
from tinygan.errors import TinyganError, UsageError
from tinygan.ops.cuda import cublas
from tinygan.runtime import collectives, nccl
from tinygan.runtime.collectives import split_evenly
from tinygan.runtime.launched import launched
from tinygan.runtime.workers import WorkerGroup
from tinygan.training import iteration
from tinygan.training.iteration import CapturedIteration, Iteration
from tinygan.training.losslog import LossLog
from tinygan.training.options import Options
from tinygan.training.recorded_step import RecordedGame
from tinygan.training.session import Session, batch_source, build_game, load_images
from tinygan.training.shards import training_workers
from tinygan.training.step import Game, Losses


@dataclass
class Shard:
    """What a rank trains with, in place of a whole :class:`Session`."""

    options: Options
    backend: Backend
    game: Game  # with the rank's share of the batch
    source: BatchSource | None  # of its part of each batch; None if it only searches
    losses: LossLog | None  # of the whole batch; only the first rank's is read
    workers: WorkerGroup | None = None  # this process alone
    iteration: Iteration | None = None  # with all others


def several() -> bool:
    """Whether this is one of several ranks."""
    return launched()[1] > 1


@contextmanager
def open_ranks(run: Any, losses: LossLog | None = None) -> Iterator[Any]:
    """Give all ranks the game of ``run`` as it is now: the :class:`tinygan.runtime.ranks.RankGroup`.

    With ``losses``, to which iterations add those of the whole batch, ``run`` is a :class:`Session`, and every rank
    opens its images. Without, ranks only search, and ``run`` needs options, backend and game alone.

    Raises UsageError where the batch has fewer images than there are ranks, or a machine fewer GPUs; TinyganError where
    a rank cannot open its device or the images, finds other ones, or NCCL does not connect them.
    """
    from tinygan.runtime.ranks import RankGroup, awaited  # only here: it starts MPI

    group, options, backend, gpu = RankGroup(), run.options, run.backend, run.backend.device == "gpu"
    if losses and options.batch_size < group.size:
        raise UsageError(f"--batch-size {options.batch_size} gives the {group.size} ranks less than an image each")
    if gpu:
        nccl.refuse_shared_gpus(group.ask(_take_gpu, [()] * group.size))
    group.context, group.own = run.game, Shard(options, backend, run.game, run.source if losses else None, losses)
    precision = "tf32" if gpu and cublas.tf32 else backend.dtype.name
    group.ask(_open, [(options, backend.device, precision, run.fingerprint if losses else "")] * group.size)
    group.together(_take_state)
    if losses:
        group.together(_begin, nccl.load_library().get_unique_id() if gpu else None)
    try:
        yield group
    finally:
        if not awaited():  # else all are about to be ended
            group.together(_end)


def workers_of(session: Session, losses: LossLog) -> AbstractContextManager:
    """What shares the batches of a training: all ranks where there are several, else processes of this machine."""
    if several():
        return open_ranks(session, losses)
    return training_workers(session.game, (session.options.batch_size, *session.options.image_size, 3))


def iteration_of(session: Session, losses: LossLog, note: Callable[[str], None]) -> Iteration:
    """As :func:`tinygan.training.iteration.iteration_of`; with several ranks, all carry it out together."""
    if not several():
        return iteration.iteration_of(session, losses, note)
    return lambda number, learning_rate: session.workers.together(_step, number, learning_rate)


def make_whole(group: Any) -> None:
    """In all ranks together: complete the vectors of which each has its part, for a checkpoint."""
    for player in group.own.game[:2]:
        collectives.share_parts(player.optimiser.average.flat)


def _take_gpu(group: Any) -> str:
    return nccl.take_gpu(group.local_rank)


def _open(group: Any, options: Options, device: str, precision: str, fingerprint: str) -> None:
    if group.rank == 0:  # it has opened all of this
        return
    ops.use(options.ops)
    backend = open_backend(device, precision)
    source = None
    if fingerprint:
        images = load_images(options)
        if images.fingerprint() != fingerprint:
            raise TinyganError(f"the images of {images.source} are not those of the first rank: give all the same data")
        source = batch_source(images, options, backend)
    game = build_game(options, backend)
    losses = LossLog(1, np.zeros((0, len(Losses._fields))), backend)
    group.context, group.own = game, Shard(options, backend, game, source, losses)


def _take_state(group: Any) -> None:
    backend = group.own.backend
    for player in group.own.game[:2]:
        for store in player.stores().values():
            values = backend.to_host(store.flat)  # on the CPU the vector itself
            group.spread(values)
            store.flat[...] = backend.to_device(values)


def _begin(group: Any, unique_id: Any) -> None:
    """Prepare for iterations; GPUs get a communicator for this run."""
    shard = group.own
    shard.source.part = split_evenly(shard.options.batch_size, group.size)[group.rank]
    images = len(range(shard.options.batch_size)[shard.source.part])
    shard.game = shard.game._replace(share=images / shard.options.batch_size)
    shard.workers = WorkerGroup(RecordedGame(*shard.game), 1)
    if unique_id is not None:
        group.collective = nccl.Collective(shard.backend.xp, group.collective, unique_id)
    shard.iteration = iteration.iteration_of(shard, shard.losses, _refuse)


def _end(group: Any) -> None:
    """Drop the graph first, then the communicator that its calls use."""
    if isinstance(group.own.iteration, CapturedIteration):
        group.own.iteration.close()
    if isinstance(group.collective, nccl.Collective):
        group.collective.close()
        group.collective = group.collective.host
    group.own = group.context = None


def _refuse(obstacle: str) -> None:
    """NCCL's calls are captured by all ranks or by none."""
    raise TinyganError(f"{obstacle.partition(': it runs')[0]}: start one process")


def _step(group: Any, number: int, learning_rate: float) -> None:
    if group.rank:
        group.own.losses.clear()
    group.own.iteration(number, learning_rate)
