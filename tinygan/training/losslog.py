"""The losses since the last log line, kept on the device so that no iteration waits for the host."""

import numpy as np

from tinygan.device import Backend
from tinygan.errors import NonFiniteError
from tinygan.training.step import Losses


class LossLog:
    """Collects one row (d_real, d_fake, g) per iteration and gives their means once per log interval.

    An interval has ``interval`` iterations; an earlier session may have begun it, with the rows ``pending`` (k, 3).
    """

    def __init__(self, interval: int, pending: np.ndarray, backend: Backend):
        self.backend = backend
        # Room until the interval ends, wherever the last session stopped. A captured step holds its address.
        self.rows = backend.xp.zeros((len(pending) + interval, len(Losses._fields)), backend.dtype)
        self.rows[: len(pending)] = backend.to_device(pending)
        self.count = len(pending)

    def add(self, losses: Losses) -> None:
        """Note one iteration's losses."""
        row = self.next_row()
        for column, loss in enumerate(losses):
            self.rows[row, column] = loss

    def next_row(self) -> int:
        """The row of one more iteration, for a caller that writes its losses into ``rows`` itself."""
        if self.count == len(self.rows):
            raise IndexError("more losses than the interval has room for: the log was not cleared when it was due")
        self.count += 1
        return self.count - 1

    def pending(self, iteration: int) -> np.ndarray:
        """The rows since the last :meth:`clear`, on the host, (k, 3), the last one of ``iteration``.

        Raises NonFiniteError, naming network and iteration, for a loss that is not finite.
        """
        rows = self.backend.to_host(self.rows[: self.count]).copy()
        bad = ~np.isfinite(rows)
        if bad.any():
            row = int(bad.any(axis=1).argmax())
            network = "generator" if not bad[row, :2].any() else "discriminator"
            raise NonFiniteError(f"the {network}'s loss is not finite at iteration {iteration - self.count + 1 + row}")
        return rows

    def means(self, iteration: int) -> dict[str, float]:
        """Mean of each loss over the pending rows, in float64; raises as :meth:`pending`."""
        return dict(zip(Losses._fields, self.pending(iteration).mean(axis=0, dtype=np.float64).tolist(), strict=True))

    def clear(self) -> None:
        """Begin a new interval."""
        self.count = 0
