"""Work captured once as a CUDA graph, and replayed with one launch.

A training step is some hundred launches on the same addresses every time. Captured, they cost the host one call.
"""

import contextlib
from collections.abc import Callable
from types import ModuleType

WARM_UPS = 2  # calls before the capture: they compile kernels, make handles and grow the pool


class Replay:
    """A function without arguments and results, on the device: called eagerly at first, then replayed as a graph.

    ``work`` must read its inputs from arrays that stay where they are, write its results into such arrays, and never
    wait for the device nor copy between host and device. Every call counts: the warm-ups are real ones, and the call
    that captures is carried out by the graph's first launch.

    Everything that ``work`` allocates comes from a memory pool of its own. During replays nobody else may get those
    addresses, and nobody else allocates from that pool. The graph and the pool live as long as this object.

    Where the capture fails, ``obstacle`` is told why, once, and all calls stay eager.

    Args:
        xp: CuPy; the current stream must not be the default one, which cannot be captured.
        work: what is to be done at each call.
        obstacle: takes one line of text.
    """

    def __init__(self, xp: ModuleType, work: Callable[[], None], obstacle: Callable[[str], None]):
        self.xp, self.work, self.obstacle = xp, work, obstacle
        self.stream = xp.cuda.get_current_stream()
        self.pool = xp.cuda.MemoryPool()
        self.graph = None
        self._calls_before_capture = WARM_UPS

    def __call__(self) -> None:
        """Do the work, in the order of the stream."""
        if self.graph is None and self._calls_before_capture == 0:
            self._capture()
        if self.graph is not None:
            self.graph.launch(self.stream)
            return
        with self.xp.cuda.using_allocator(self.pool.malloc):
            self.work()
        self._calls_before_capture -= 1

    def _capture(self) -> None:
        # Nothing of a warm-up may be unfinished, such as a kernel's first load.
        self.stream.synchronize()
        try:
            with self.xp.cuda.using_allocator(self.pool.malloc):
                self.stream.begin_capture()
                try:
                    self.work()
                except Exception:
                    with contextlib.suppress(Exception):  # the first error is the one to be told
                        self.stream.end_capture()
                    raise
                graph = self.stream.end_capture()
            graph.upload(self.stream)
        except Exception as error:  # CUDA, CuPy and cuBLAS each raise their own
            reason = " ".join(str(error).split())
            self.obstacle(f"the step cannot be captured as a CUDA graph ({reason}): it runs launch by launch, slower")
            return
        self.graph = graph
