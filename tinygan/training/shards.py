"""A training step with the batch divided among processes, one for each of the CPU's cores.

Every process runs the step of ``step.py`` on its shard. It needs the others in three places: batch norm, whose
statistics are those of the whole batch; the update, which adds up all gradients; and the losses, added up here.
"""

import math

import numpy as np

from tinygan.array import Array
from tinygan.runtime.collectives import split_evenly
from tinygan.runtime.workers import WorkerGroup, worker_count
from tinygan.training.recorded_step import RecordedGame
from tinygan.training.step import Game, Losses

LARGEST_SHARED = 2**19  # values in a batch of images that processes divide: 42 images of 64×64 pixels


def process_count(batch_shape: tuple[int, ...], device: str) -> int:
    """How many processes train together on batches of images (N, H, W, 3).

    Large images are left to the threads of one process: its operations take so long that the interpreter's lock does
    not matter, and what each pass makes of the weights is held once.
    """
    return worker_count(batch_shape[0], device) if math.prod(batch_shape) <= LARGEST_SHARED else 1


def training_workers(game: Game, batch_shape: tuple[int, ...]) -> WorkerGroup:
    """The processes that train ``game``, as it is now, on batches of this shape."""
    size = process_count(batch_shape, game.generator.parameters.backend.device)
    for player in (game.generator, game.discriminator):
        player.make_room(size)
    return WorkerGroup(RecordedGame(*game), size)


def sharded_step(workers: WorkerGroup, schedule: str, real: Array, codes: Array, learning_rate: float) -> Losses:
    """One step of the schedule by the whole group; arguments and result as in ``step.py``.

    Sums are taken in the order of the shards: the same number of processes gives the same bits.
    """
    N = len(real)
    shards = split_evenly(N, workers.size)
    arguments = [(schedule, (s.stop - s.start) / N, real[s], codes[:, s], learning_rate) for s in shards]
    parts = workers.run(_step_on_shard, arguments)
    return parts[0] if workers.size == 1 else Losses(*np.sum(parts, axis=0))


def _step_on_shard(game: RecordedGame, schedule: str, share: float, *given: Array | float) -> Losses:
    return game.step(schedule, share * game.share, *given)  # a rank of MPI has only its share of the batch
