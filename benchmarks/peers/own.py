"""tinygan's side: the schedules' own step functions on two players."""

import numpy as np

import tinygan
from benchmarks.workload import LEARNING_RATE, Inputs, Workload
from tinygan.backend import open_backend
from tinygan.streams import stream
from tinygan.training.player import Player
from tinygan.training.step import SCHEDULES, Game


class WatchedPlayer(Player):
    """A player that can keep a copy of the gradients it is about to use up."""

    watched = False

    def update(self, learning_rate: float) -> None:
        if self.watched:
            self.seen = self.gradients.to_host()
        super().update(learning_rate)


class Tinygan:
    """See ``benchmarks.peers``."""

    def __init__(self, workload: Workload, inputs: Inputs):
        self.backend = open_backend(workload.device, workload.precision)
        players = []
        for network, values, buffers in zip(workload.networks(), inputs[:2], inputs[2:4], strict=True):
            player = WatchedPlayer(network, stream(0, "overwritten"), self.backend)
            player.parameters.load(values)
            player.buffers.load(buffers)
            players.append(player)
        self.game = Game(*players)
        self.real, self.codes = self.backend.to_device(inputs.real), self.backend.to_device(inputs.codes)
        self.train = SCHEDULES[workload.schedule].step

    def step(self) -> None:
        self.losses = self.train(self.game, self.real, self.codes, LEARNING_RATE)

    def synchronise(self) -> None:
        if self.backend.device == "gpu":
            self.backend.xp.cuda.get_current_stream().synchronize()

    def watch(self, on: bool) -> None:
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

    def allocated(self) -> int:
        return self.backend.xp.get_default_memory_pool().total_bytes()


def build(name: str, workload: Workload, inputs: Inputs) -> Tinygan:
    return Tinygan(workload, inputs)


def versions() -> dict[str, str]:
    return {"tinygan": tinygan.__version__, "numpy": np.__version__}
