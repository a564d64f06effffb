"""One of the two players of the game: a network with its gradients and its optimiser."""

import numpy as np

from tinygan.backend import Array, Backend
from tinygan.layers import Layer, initialise
from tinygan.optim import RMSProp
from tinygan.parameters import Parameters


class Player:
    """A network that is trained.

    Attributes:
        network: the layer tree; ``player.network(x, training)`` runs it.
        parameters, buffers: its arrays (buffers: batch norm's running statistics).
        gradients: where backward passes accumulate; :meth:`update` uses them up.
        optimiser: RMSProp with its running average.
    """

    def __init__(self, network: Layer, rng: np.random.Generator, backend: Backend):
        self.network = network
        self.parameters, self.buffers = initialise(network, rng, backend)
        self.gradients = self.parameters.zeros_like()
        self.optimiser = RMSProp(self.parameters)

    def update(self, learning_rate: float) -> None:
        """One optimiser step along the accumulated gradients, which it uses up, and projection of the slopes."""
        self.optimiser.update(self.parameters, self.gradients, learning_rate)
        for layer in self.network.walk():
            layer.project()

    def stores(self) -> dict[str, Parameters]:
        """Everything that a checkpoint must hold of this player, by the name it has there."""
        return {"parameters": self.parameters, "buffers": self.buffers, "average": self.optimiser.average}

    def is_finite(self) -> Array:
        """0-d boolean on the device: whether parameters, buffers and optimiser average are all finite."""
        xp = self.parameters.backend.xp
        return xp.stack([xp.isfinite(store.flat).all() for store in self.stores().values()]).all()
