"""One of the two players of the game: a network with its gradients and its optimiser."""

import numpy as np

from tinygan.array import Array
from tinygan.device import Backend
from tinygan.layers import Layer, initialise
from tinygan.ops.cpu.blocks import for_each_block
from tinygan.optim import RMSProp
from tinygan.parameters import Parameters
from tinygan.runtime import collectives


class Player:
    """A network that is trained.

    Attributes:
        network: the layer tree; ``player.network(x, training)`` runs it.
        parameters, buffers: its arrays (buffers: batch norm's running statistics).
        optimiser: RMSProp with its running average.

    Where several processes train together, each on its shard of the batch, all arrays are shared, and each process has
    gradients of its own.
    """

    def __init__(self, network: Layer, rng: np.random.Generator, backend: Backend):
        self.network = network
        self.parameters, self.buffers = initialise(network, rng, backend)
        self.all_gradients = [self.parameters.zeros_like()]
        self.optimiser = RMSProp(self.parameters)

    @property
    def gradients(self) -> Parameters:
        """Where this process's backward passes accumulate; :meth:`update` uses them up."""
        return self.all_gradients[collectives.rank()]

    def make_room(self, members: int) -> None:
        """Have gradients for this many processes."""
        while len(self.all_gradients) < members:
            self.all_gradients.append(self.parameters.zeros_like())

    def update(self, learning_rate: float) -> None:
        """One optimiser step along the accumulated gradients, which it uses up, and projection of the slopes.

        Of several processes each adds up and updates its part of the flat vectors, after all have their gradients.
        """
        collectives.barrier()
        part = collectives.own_part(self.parameters.flat.size)
        _add_up([gradients.flat[part] for gradients in self.all_gradients[: collectives.size()]])
        self.optimiser.update(self.parameters, self.all_gradients[0], learning_rate, part)
        collectives.barrier()
        for layer in self.network.walk():
            layer.project()  # by all of them, to the same values

    def stores(self) -> dict[str, Parameters]:
        """Everything that a checkpoint must hold of this player, by the name it has there."""
        return {"parameters": self.parameters, "buffers": self.buffers, "average": self.optimiser.average}

    def is_finite(self) -> Array:
        """0-d boolean on the device: whether parameters, buffers and optimiser average are all finite."""
        xp = self.parameters.backend.xp
        return xp.stack([xp.isfinite(store.flat).all() for store in self.stores().values()]).all()


def _add_up(vectors: list[Array]) -> None:
    """Add all to the first, in their order, and leave the others 0."""
    first, *others = vectors

    def work(_: int, block: slice) -> None:
        for other in others:
            first[block] += other[block]
            other[block] = 0

    if others:
        for_each_block(len(first), 1, work)
