"""One training iteration on either device: its inputs, the step, its losses into the log."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tinygan import ops
from tinygan.data.devicebatches import ResidentSource
from tinygan.runtime.collectives import all_reduce
from tinygan.runtime.graph import Inputs, Replay
from tinygan.training.feed import latent_codes, to_unit_range
from tinygan.training.losslog import LossLog
from tinygan.training.recorded_step import repeats_itself
from tinygan.training.session import Session
from tinygan.training.shards import sharded_step
from tinygan.training.step import SCHEDULES, Losses

Iteration = Callable[[int, float], None]  # iteration(number, learning_rate)


def iteration_of(session: Session, losses: LossLog, note: Callable[[str], None]) -> Iteration:
    """A function that carries out iteration 1, 2, … of ``session``; ``note`` gets a line if it cannot be captured."""
    if session.backend.device == "cpu" or ops.implementation() == "reference" or not repeats_itself(session.game):
        return eager_iteration(session, losses)
    return CapturedIteration(session, losses, note)


def eager_iteration(session: Session, losses: LossLog) -> Iteration:
    """Operation by operation, by all of the session's workers: on the CPU, and on any device with the formulas."""
    options, backend, source = session.options, session.backend, session.source
    code_batches = SCHEDULES[options.schedule].code_batches

    def iterate(number: int, learning_rate: float) -> None:
        real = to_unit_range(source.batch(number), backend)
        codes = backend.to_device(latent_codes(options, number, code_batches)[:, source.part])
        own = sharded_step(session.workers, options.schedule, real, codes, learning_rate)
        losses.add(Losses(*all_reduce(*own)))

    return iterate


class CapturedIteration:
    """The whole iteration as one CUDA graph.

    The host sends the places of the batch's images, the codes, the learning rate and the row of the log, and launches.
    Where the data set is not on the device, it sends the batch's bytes first. A rank with its own GPU does its part.
    """

    def __init__(self, session: Session, losses: LossLog, note: Callable[[str], None]):
        self.session, self.losses = session, losses
        self.schedule = SCHEDULES[session.options.schedule]
        options, backend = session.options, session.backend
        N = len(range(options.batch_size)[session.source.part])
        shapes = {
            "codes": ((self.schedule.code_batches, N, options.code_size), backend.dtype),
            "learning_rate": ((), backend.dtype),
            "row": ((), np.int64),
        }
        self.resident = isinstance(session.source, ResidentSource)
        if self.resident:
            shapes["places"] = ((N, 4), np.int64)
        else:
            self.images = backend.xp.zeros((N, *session.source.size, 3), np.uint8)
        self.inputs = Inputs(backend.xp, shapes)
        self.replay = Replay(backend.xp, self._work, note)
        # The host needs longer for the codes than for the launch: they are drawn while the device computes.
        self._thread, self._next = ThreadPoolExecutor(1, "codes"), None

    def __call__(self, number: int, learning_rate: float) -> None:
        expected, self._next = self._next, None
        ahead = expected is not None and expected[0] == number
        values = expected[1].result() if ahead else self._drawn(number)
        if not self.resident:
            self.images[...] = self.session.source.batch(number)
        self.inputs.send(self.replay.stream, **values, learning_rate=learning_rate, row=self.losses.next_row())
        self.replay()
        self._next = number + 1, self._thread.submit(self._drawn, number + 1)

    def close(self) -> None:
        """Give the memory of the captured step back to the device."""
        self._thread.shutdown()
        self.replay.close()

    def _drawn(self, number: int) -> dict[str, np.ndarray]:
        """What iteration ``number`` is given that depends on the number alone."""
        codes = latent_codes(self.session.options, number, self.schedule.code_batches)
        values = {"codes": codes[:, self.session.source.part]}
        if self.resident:
            values["places"] = np.stack(self.session.source.plan(number), axis=1)
        return values

    def _work(self) -> None:
        given = self.inputs.arrays
        source, backend = self.session.source, self.session.backend
        if self.resident:
            real = ops.gather_images(source.pixels, given["places"], source.size, backend.dtype)
        else:
            real = to_unit_range(self.images, backend)
        losses = self.schedule.step(self.session.game, real, given["codes"], given["learning_rate"])
        ops.record_losses(*all_reduce(*losses), given["row"], self.losses.rows)
