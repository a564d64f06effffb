"""One of the two players of the game: a network with its gradients and its optimiser."""

from collections.abc import Callable

import numpy as np

from tinygan import ops
from tinygan.array import Array
from tinygan.device import Backend
from tinygan.errors import UsageError
from tinygan.layers import Layer, initialise
from tinygan.optim import RMSProp
from tinygan.parameters import Parameters
from tinygan.runtime import collectives


class Player:
    """A ``network`` that is trained, with its ``parameters``, ``buffers`` (running statistics) and ``optimiser``.

    Processes that train together share all arrays but the gradients, of which each has its own. Ranks of MPI have
    copies, and each keeps only its part of the optimiser's average up to date, until a checkpoint is saved.
    """

    def __init__(self, network: Layer, rng: np.random.Generator, backend: Backend):
        self.network = network
        self.parameters, self.buffers = initialise(network, rng, backend)
        self.all_gradients = [self.parameters.zeros_like()]
        self.optimiser = RMSProp(self.parameters)

    @property
    def gradients(self) -> Parameters:
        """Where this process's backward passes accumulate; :meth:`update` zeroes them."""
        return self.all_gradients[collectives.place()]

    def make_room(self, members: int) -> None:
        """Make gradients for this many processes."""
        self.all_gradients += [self.parameters.zeros_like() for _ in range(len(self.all_gradients), members)]

    def learn(self, images: Array, target: Array | int, loss: Callable) -> Array:
        """Of D: add the gradients of ``loss(network(images), target)``, 1 for real, to the store; returns the loss."""
        logits, backward = self.network(images, training=True)
        value, dlogits = loss(logits, target)
        backward(dlogits, self.gradients, need_dx=False)
        return value

    def update(self, learning_rate: Array | float) -> None:
        """One optimiser step along the accumulated gradients, which it zeroes.

        Each of several processes adds up and updates its part of the flat vectors, once all have their gradients.
        """
        first, *others = collectives.own_parts([gradients.flat for gradients in self.all_gradients])
        ops.add_up(first, others)
        part = collectives.own_part(self.parameters.flat.size)
        self.optimiser.update(self.parameters, self.all_gradients[0], learning_rate, part)
        collectives.share_parts(self.parameters.flat)

    def stores(self) -> dict[str, Parameters]:
        """Everything that a checkpoint must hold of this player, by its name there; UsageError if not for RMSProp."""
        if not isinstance(self.optimiser, RMSProp):
            raise UsageError("checkpoints hold RMSProp's average: with another optimiser, train in a loop of your own")
        return {"parameters": self.parameters, "buffers": self.buffers, "average": self.optimiser.average}
