"""The step of ``step.py`` on this process's shard, on the CPU written down at its first run and replayed from then on.

What is replayed are the same NumPy calls on the same numbers, so the results are the step's, to the bit (tested).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygan import ops
from tinygan.array import Array
from tinygan.runtime import threads
from tinygan.runtime.recording import Recording, Traced
from tinygan.training.step import SCHEDULES, Game, Losses

_recording = threading.Lock()  # one thread at a time; never waited for, as a fork may have copied it locked


class RecordedGame(Game):
    """A game, with what this process has recorded of its step.

    Attributes:
        eagerly: always run the step as it stands: for who wants to look at what it does.
    """

    eagerly = False
    recorded: tuple[Any, Recording, list, list] | None = None  # for what, the calls, their inputs, their results

    def step(self, schedule: str, share: float, real: Array, codes: Array, learning_rate: Array | float) -> Losses:
        """One step; arguments and result as in ``step.py``. Recorded anew when shapes, schedule or share change."""
        game, step = Game(*self)._replace(share=share), SCHEDULES[schedule].step
        if self.eagerly or not _repeats_itself(self, real):
            return step(game, real, codes, learning_rate)
        values, key = (real, codes, learning_rate), (schedule, share, real.shape, codes.shape)
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
                with _traced(game):
                    losses = recording.make(lambda *inputs: step(game, *inputs), *inputs)
                self.recorded = key, recording, recording.plain(inputs), losses
            finally:
                _recording.release()
        else:
            _, recording, inputs, losses = self.recorded
            for array, value in zip(inputs, values, strict=True):
                array[...] = value
            recording.run()
        return Losses(*(loss[()] for loss in losses))


def _repeats_itself(game: Game, real: Array) -> bool:
    """Whether the step does the same each time, in one thread: nobody knows what parts of somebody's own do."""
    parts = [part for player in game[:2] for part in (player, player.optimiser, *player.network.walk())]
    return (
        isinstance(real, np.ndarray)
        and threads.thread_count() == 1
        and ops.implementation() == "fast"
        and isinstance(game.loss, str)
        and all(type(part).__module__.startswith("tinygan.") for part in parts)
    )


@contextmanager
def _traced(game: Game) -> Iterator[None]:
    """Within it all arrays of both players are Traced."""
    try:
        _hold_as(game, Traced)
        yield
    finally:
        _hold_as(game, np.ndarray)


def _hold_as(game: Game, kind: type[np.ndarray]) -> None:
    for player in game[:2]:
        for store in (*player.stores().values(), *player.all_gradients):
            store.hold_as(kind)
        arrays = player.parameters | player.buffers
        for layer in player.network.walk():
            for name in (*layer.parameter_specs, *layer.buffer_specs):
                setattr(layer, name, arrays[layer.path(name)])
