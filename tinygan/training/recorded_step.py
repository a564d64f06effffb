"""The step of ``step.py`` on this process's shard; on the CPU it is recorded at its first run, and then replayed.

A replay makes the same NumPy calls on the same numbers, so the results are the step's, to the bit (tested).
"""

import threading
from copy import copy, deepcopy
from typing import Any

import numpy as np

from tinygan import ops
from tinygan.array import Array
from tinygan.optim import RMSProp
from tinygan.parameters import Parameters
from tinygan.runtime import threads
from tinygan.runtime.recording import Recording, Traced
from tinygan.training.one_chain import all_known
from tinygan.training.player import Player
from tinygan.training.step import SCHEDULES, Game, Losses

_recording = threading.Lock()  # one thread at a time; never waited for: a fork may have copied it locked


class RecordedGame(Game):
    """A game, with what this process has recorded of its step."""

    eagerly = False  # always run the step as it stands: for a profiler, which looks at its operations
    recorded: tuple[Any, Recording, list, list] | None = None  # for which shapes; the calls, inputs and results

    def step(self, schedule: str, share: float, real: Array, codes: Array, learning_rate: Array | float) -> Losses:
        """One step; arguments and result as in ``step.py``. Recorded anew when one of these or an optimiser changes."""
        game, step = Game(*self)._replace(share=share), SCHEDULES[schedule].step
        if self.eagerly or not _recordable(self, real):
            return step(game, real, codes, learning_rate)
        optimisers = [(one.optimiser, one.optimiser.decay, one.optimiser.epsilon) for one in self[:2]]
        values, key = (real, codes, learning_rate), (schedule, share, real.shape, codes.shape, optimisers)
        if self.recorded is None or self.recorded[0] != key:
            if not _recording.acquire(blocking=False):
                return step(game, *values)
            try:
                self.recorded = None  # first, so that there are not two
                try:
                    recording = Recording()
                except OSError:
                    return step(game, *values)
                inputs = [recording.new(value, real.dtype) for value in values]
                traced = game._replace(generator=_traced(game.generator), discriminator=_traced(game.discriminator))
                losses = recording.make(lambda *inputs: step(traced, *inputs), *inputs)
                self.recorded = key, recording, recording.plain(inputs), losses
            finally:
                _recording.release()
        else:
            _, recording, inputs, losses = self.recorded
            for array, value in zip(inputs, values, strict=True):
                array[...] = value
            recording.run()
        return Losses(*(loss[()] for loss in losses))


def _recordable(game: Game, real: Array) -> bool:
    """Whether the step makes the same NumPy calls each time, in one thread."""
    one_thread = threads.thread_count() == 1 and ops.implementation() == "fast"
    return isinstance(real, np.ndarray) and one_thread and repeats_itself(game)


def repeats_itself(game: Game) -> bool:
    """Whether the step does the same each time, which is unknown of a user's own layers and losses."""
    known = all(all_known(player) and type(player.optimiser) is RMSProp for player in game[:2])  # Adam counts steps
    return known and isinstance(game.loss, str)


def _traced(player: Player) -> Player:
    """A twin whose arrays are Traced, in the same memory; the player's own stay NumPy's."""
    twin, copies = copy(player), {}

    def seen(store: Parameters) -> Parameters:
        traced = store.seen_as(Traced)
        copies.update((id(array), traced[name]) for name, array in store.items())
        return traced

    twin.parameters, twin.buffers = seen(player.parameters), seen(player.buffers)
    twin.network = deepcopy(player.network, copies)  # which takes these for the arrays that its layers hold
    twin.all_gradients = [gradients.seen_as(Traced) for gradients in player.all_gradients]
    twin.optimiser = copy(player.optimiser)
    twin.optimiser.average = player.optimiser.average.seen_as(Traced)
    return twin
