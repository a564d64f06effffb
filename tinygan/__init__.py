"""tinygan: weight-normalised GANs from scratch, after Xiang & Li, arXiv 1704.03971.

    layers, losses, optim, ops, models      modules
    initialise, open_backend, rng_for       a network's arrays, where they live, and random numbers
    check_gradients                         a handwritten backward pass against finite differences
    Player, Game, SCHEDULES                 a network that is trained, two of them, and one iteration
    load_generator                          a trained generator: codes in, images out

Importing this imports nothing else and changes nothing in the process; each name is imported at its first use. Threads
and the allocator are set when a device is opened (:func:`tinygan.device.open_backend` says how).
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what _HOME and _MODULES say, for type checkers
    from tinygan import layers as layers
    from tinygan import losses as losses
    from tinygan import models as models
    from tinygan import ops as ops
    from tinygan import optim as optim
    from tinygan.device import open_backend as open_backend
    from tinygan.evaluation.generator import load_generator as load_generator
    from tinygan.gradcheck import check_gradients as check_gradients
    from tinygan.layers import Layer as Layer
    from tinygan.layers import initialise as initialise
    from tinygan.rng import rng_for as rng_for
    from tinygan.training.player import Player as Player
    from tinygan.training.step import SCHEDULES as SCHEDULES
    from tinygan.training.step import Game as Game

__version__ = "0.1.0"

_HOME = {
    "Game": "training.step",
    "Layer": "layers",
    "Player": "training.player",
    "SCHEDULES": "training.step",
    "check_gradients": "gradcheck",
    "initialise": "layers",
    "load_generator": "evaluation.generator",
    "open_backend": "device",
    "rng_for": "rng",
}
_MODULES = ("layers", "losses", "models", "ops", "optim")

__all__ = [*_HOME, *_MODULES]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return importlib.import_module(f"tinygan.{name}")
    if name in _HOME:
        return getattr(importlib.import_module(f"tinygan.{_HOME[name]}"), name)
    raise AttributeError(f"module 'tinygan' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
