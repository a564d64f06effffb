"""One training iteration on either device: its inputs, the step, its losses into the log."""

from collections.abc import Callable

import numpy as np

from tinygan.backend import Array
from tinygan.gpu.batch import gather_images
from tinygan.gpu.graph import Replay
from tinygan.gpu.inputs import Inputs
from tinygan.gpu.losses import record_losses
from tinygan.training.feed import latent_codes, to_unit_range
from tinygan.training.losslog import LossLog
from tinygan.training.session import Session
from tinygan.training.step import SCHEDULES

DATA_SHARE = 0.25  # of the device's free memory, that the data set may take

Iteration = Callable[[int, float], None]  # iteration(number, learning_rate)


def iteration_of(session: Session, losses: LossLog, note: Callable[[str], None]) -> Iteration:
    """What carries out iteration 1, 2, … of ``session``, and adds its losses to ``losses``.

    Args:
        note: takes a line for people, should the GPU's captured step not be possible.
    """
    if session.backend.device == "cpu":
        return eager_iteration(session, losses)
    return CapturedIteration(session, losses, note)


def eager_iteration(session: Session, losses: LossLog) -> Iteration:
    """Operation by operation: what the CPU does, and what the captured iteration must agree with."""
    options, backend = session.options, session.backend
    schedule = SCHEDULES[options.schedule]

    def iterate(number: int, learning_rate: float) -> None:
        real = to_unit_range(session.source.batch(number), backend)
        codes = backend.to_device(latent_codes(options, number, schedule.code_batches))
        losses.add(schedule.step(session.game, real, codes, learning_rate))

    return iterate


class CapturedIteration:
    """The whole iteration as one CUDA graph.

    The host sends where the batch's images are, the codes, the learning rate and the row of the log, and launches. The
    data set lives on the device if it takes no more than a quarter of the free memory; else the batch's bytes are sent.
    """

    def __init__(self, session: Session, losses: LossLog, note: Callable[[str], None]):
        self.session, self.losses = session, losses
        self.schedule = SCHEDULES[session.options.schedule]
        options, backend = session.options, session.backend
        N = options.batch_size
        shapes = {
            "codes": ((self.schedule.code_batches, N, options.code_size), backend.dtype),
            "learning_rate": ((), backend.dtype),
            "row": ((), np.int64),
        }
        self.images = self._data_set_on_device()
        if self.images is None:
            shapes["images"] = ((N, *session.source.images.shape[1:]), np.uint8)
        shapes["places"] = ((N, 4), np.int64)
        self.inputs = Inputs(backend.xp, shapes)
        self.replay = Replay(backend.xp, self._work, note)

    def __call__(self, number: int, learning_rate: float) -> None:
        source = self.session.source
        values = {
            "codes": latent_codes(self.session.options, number, self.schedule.code_batches),
            "learning_rate": learning_rate,
            "row": self.losses.next_row(),
        }
        rows = source.chosen(number) if self.images is not None else np.arange(source.batch_size)
        values["places"] = np.stack([rows, *np.zeros((3, len(rows)), np.int64)], axis=1)
        if self.images is None:
            values["images"] = source.batch(number)
        self.inputs.send(self.replay.stream, **values)
        self.replay()

    def _work(self) -> None:
        given = self.inputs.arrays
        images = given["images"] if self.images is None else self.images
        real = gather_images(images, given["places"], images.shape[1:3], self.session.backend.dtype)
        losses = self.schedule.step(self.session.game, real, given["codes"], given["learning_rate"])
        record_losses(*losses, given["row"], self.losses.rows)

    def _data_set_on_device(self) -> Array | None:
        """The data set's bytes on the device, or None if they would take too much of it."""
        host, xp = self.session.source.images, self.session.backend.xp
        free, _ = xp.cuda.runtime.memGetInfo()
        if host.nbytes > DATA_SHARE * free:
            return None
        images = xp.empty(host.shape, np.uint8)
        for start in range(0, len(host), 1000):  # in blocks: the host may hold a view of a file
            images[start : start + 1000] = xp.asarray(host[start : start + 1000])
        return images
