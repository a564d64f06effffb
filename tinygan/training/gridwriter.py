"""Grids of images written as PNG files while training goes on: compressing one takes as long as many GPU steps."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tinygan.images import save_grid
from tinygan.runtime.threads import thread_started


class GridWriter:
    """Writes one grid at a time, in a thread. As a context manager it leaves none unwritten.

    What writing a grid raises (a full disk, say) is raised by the next call of any method.
    """

    def __init__(self) -> None:
        self._written: Future | None = None

    def write(self, path: Path, images: np.ndarray) -> None:
        """Begin to write :func:`save_grid`'s file, once the one before is finished; ``images`` must not change."""
        self.wait()
        thread = ThreadPoolExecutor(1, "grid")
        with thread_started():
            self._written = thread.submit(_save, path, images)
        thread.shutdown(wait=False)  # the thread ends with the grid: processes that are forked later find none

    def check(self) -> None:
        """Raise what the last grid's writing raised, if it is finished; does not wait."""
        if self._written is not None and self._written.done():
            self.wait()

    def wait(self) -> None:
        """Until the last grid is written."""
        written, self._written = self._written, None
        if written is not None:
            written.result()

    def __enter__(self) -> "GridWriter":
        return self

    def __exit__(self, error: type[BaseException] | None, *rest: object) -> None:
        if error is None:
            self.wait()
        elif self._written is not None:
            self._written.exception()  # waits; the block's own error is the one to be told


def _save(path: Path, images: np.ndarray) -> None:
    with np.errstate(all="ignore"):  # as in the training loop, which looks for what is not finite itself
        save_grid(path, images)
