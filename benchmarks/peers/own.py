"""tinygan's side: the schedules' own step functions on two players, on the GPU captured as in training."""

import numpy as np

import tinygan
from benchmarks.workload import LEARNING_RATE, Inputs, Workload
from tinygan.device import open_backend
from tinygan.errors import TinyganError
from tinygan.rng import rng_for
from tinygan.runtime import collectives
from tinygan.runtime.graph import Replay
from tinygan.training.player import Player
from tinygan.training.shards import sharded_step, training_workers
from tinygan.training.step import Game


class WatchedPlayer(Player):
    """A player that can keep a copy of the gradients it is about to use up."""

    watched = False

    def update(self, learning_rate: float) -> None:
        collectives.all_gather(np.zeros(1))  # all have their gradients
        if self.watched:
            shards = [gradients.to_host() for gradients in self.all_gradients]
            self.seen = {name: sum(shard[name] for shard in shards) for name in self.gradients}
        super().update(learning_rate)


class Tinygan:
    """See ``benchmarks.peers``."""

    def __init__(self, workload: Workload, inputs: Inputs):
        self.backend = open_backend(workload.device, workload.precision)
        players = []
        for network, values, buffers in zip(workload.networks(), inputs[:2], inputs[2:4], strict=True):
            player = WatchedPlayer(network, rng_for(0, "overwritten"), self.backend)
            player.parameters.load(values)
            player.buffers.load(buffers)
            players.append(player)
        self.game = Game(*players)
        self.real, self.codes = self.backend.to_device(inputs.real), self.backend.to_device(inputs.codes)
        self.schedule = workload.schedule
        self.workers = training_workers(self.game, self.real.shape)
        self.replay, self.eager, self.rate = None, False, LEARNING_RATE
        if workload.device == "gpu":
            self.rate = self.backend.xp.full((), LEARNING_RATE, self.backend.dtype)
            self.replay = Replay(self.backend.xp, self._step, self._refuse)

    def step(self) -> None:
        self._step() if self.replay is None or self.eager else self.replay()

    def _step(self) -> None:
        self.losses = sharded_step(self.workers, self.schedule, self.real, self.codes, self.rate)

    def set_rate(self, rate: float) -> None:
        if self.replay is None:
            self.rate = rate
        else:
            self.rate.fill(rate)

    @staticmethod
    def _refuse(obstacle: str) -> None:
        """A figure of the eager step must not pass for the captured one's."""
        raise TinyganError(obstacle)

    def synchronise(self) -> None:
        if self.backend.device == "gpu":
            self.backend.xp.cuda.get_current_stream().synchronize()

    def run_eagerly(self, on: bool = True) -> None:
        """Operation by operation: what is looked at in detail cannot be captured or recorded."""
        self.eager = self.workers.context.eagerly = on

    def watch(self, on: bool) -> None:
        self.run_eagerly(on)
        for player in self.game[:2]:
            player.watched = on

    def observed(self) -> dict[str, np.ndarray]:
        return {
            "losses": np.array([float(self.backend.to_host(loss)) for loss in self.losses]),
            **{
                f"{which}.{name}": array
                for which, player in zip("GD", self.game[:2], strict=True)
                for name, array in player.seen.items()
            },
        }

    def other_processes(self) -> list[int]:
        return [helper.pid for helper in self.workers.helpers]

    def allocated(self) -> int:
        return self.backend.xp.get_default_memory_pool().total_bytes() + self.replay.pool.total_bytes()


def build(name: str, workload: Workload, inputs: Inputs) -> Tinygan:
    return Tinygan(workload, inputs)


def versions() -> dict[str, str]:
    return {"tinygan": tinygan.__version__, "numpy": np.__version__}
