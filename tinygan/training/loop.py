"""The training loop: one iteration after the other, and what is due between them."""

import signal
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from tinygan import ops
from tinygan.errors import NonFiniteError, Stopped, TinyganError
from tinygan.files import sync_path
from tinygan.reconstruction import Search, join, summary
from tinygan.signals import StopRequest
from tinygan.training import checkpoint, ranks
from tinygan.training.batched_search import reconstruct, usual_batch
from tinygan.training.checkpoint import Best
from tinygan.training.feed import learning_rate, preview_codes
from tinygan.training.gridwriter import GridWriter
from tinygan.training.iteration import CapturedIteration, Iteration
from tinygan.training.losslog import LossLog
from tinygan.training.session import Session
from tinygan.training.status import Status

GRID_COUNT = 100  # images in a grid of the running test


class Trainer:
    """Runs a session to its last iteration; log, samples and checkpoints appear in its folder.

    Set ``after_log`` to a function to be called after each line of mean losses in the log, and ``after_iteration`` to
    one to be called after every iteration, whose number is ``progress.iteration``. What they change in a network has to
    be in a parameter or buffer: processes share these, and see no other attribute.
    """

    def __init__(self, session: Session):
        self.session = session
        self.options, self.progress, self.backend = session.options, session.progress, session.backend
        self.losses = LossLog(self.options.log_every, self.progress.pending_losses, self.backend)
        self.iteration = self._iteration()
        self.grids = GridWriter()
        self.preview = self.backend.to_device(preview_codes(self.options))
        self.test_images = session.images.take(session.images.split.running)
        self.after_log = self.after_iteration = lambda: None
        self._stopping = self._closed = False

    def _iteration(self) -> Iteration:
        return ranks.iteration_of(self.session, self.losses, lambda text: self.status.note(text))

    def stop(self) -> None:
        """Make :meth:`run` save and return after this iteration; from any thread."""
        self._stopping = True

    def run(self) -> None:
        """Train until the last iteration, a signal or :meth:`stop`. Signals are heard in the main thread only.

        Raises Stopped after a signal, with everything saved; NonFiniteError, naming the checkpoint to go back to;
        TinyganError where a file cannot be written, and what was there is kept.
        """
        alone, resumed = self.session.workers, self.progress.iteration > 0
        self.session.folder.lock()  # if an earlier run has let it go
        try:
            ops.use(self.options.ops)
            self.backend.enter_stream()  # of this thread, which need not be the one that made the session
            if self._closed:
                self.iteration = self._iteration()
            with ranks.workers_of(self.session, self.losses) as self.session.workers:
                self._run()
        except MemoryError as error:
            if not resumed:  # a resumed run keeps its batch size
                error.add_note(f"give less than --batch-size {self.options.batch_size}")
            raise
        finally:
            self.session.workers, self._stopping, self._closed = alone, False, True
            self.session.folder.unlock()
            if isinstance(self.iteration, CapturedIteration):
                self.iteration.close()

    def _run(self) -> None:
        self.started = time.monotonic() - self.progress.seconds
        self.speed_from = (self.progress.iteration, time.monotonic())
        self.saved_at = self.progress.iteration
        # Overflow is found by the checks for non-finite values, which name its iteration, not by NumPy's warnings.
        with (
            StopRequest() as stop,
            closing(Status(self.progress.iteration, self.options.iterations)) as self.status,
            np.errstate(all="ignore"),
            self.grids,
        ):
            try:
                self.begin()
                while self.progress.iteration < self.options.iterations:
                    if stop.asked() or self.status.refused or self._stopping:
                        self.save(self.session.folder.last)
                        break
                    self.iterate()
                    self.do_what_is_due()
                    self.after_iteration()
            except NonFiniteError as error:
                raise NonFiniteError(
                    f"{error}; the last good checkpoint is {self.session.folder.last} (iteration {self.saved_at}): "
                    "resume from it with a smaller --learning-rate, or start again with --warmup"
                ) from error
        iteration, folder = self.progress.iteration, self.session.folder.path
        saved = f"after iteration {iteration}, everything is saved; go on with --resume {folder}"
        if stop.asked():
            raise Stopped(f"stopped by {signal.Signals(stop.number).name} {saved}", stop.number)
        if self.status.refused and iteration < self.options.iterations:
            raise TinyganError(f"standard output takes no more ({self.status.refused.strerror}): stopped {saved}")

    def begin(self) -> None:
        """Write what a new folder gets before the first iteration, also to learn at once whether it can be written."""
        folder = self.session.folder
        if self.options.test_every and not len(self.test_images):
            self.status.note("no running test: the data set is small, or was packed with --running-test 0")
        if not folder.last.exists():
            images = self.session.images
            self.grids.write(folder.samples / "reals.png", images.take(images.split.train[: len(self.preview)]))
            if len(self.test_images):
                self.grids.write(folder.reconstructions / "targets.png", self.test_images[:GRID_COUNT])
            self.save_samples()
            self.save(folder.last)

    def iterate(self) -> None:
        """One training iteration."""
        iteration = self.progress.iteration + 1
        self.iteration(iteration, learning_rate(self.options, iteration))
        self.progress.iteration = iteration
        self.status.bar.update()

    def do_what_is_due(self) -> None:
        """Log, samples and checkpoints, each at its interval and after the last iteration."""
        options, iteration, folder = self.options, self.progress.iteration, self.session.folder
        last = iteration == options.iterations
        self.grids.check()
        if iteration % options.log_every == 0 or last:
            self.log()
            if iteration % options.log_every == 0:  # an interval cut short by the end continues after a resume
                self.losses.clear()
        if iteration % options.sample_every == 0 or last:
            self.save_samples()
        if options.test_every and iteration % options.test_every == 0 and len(self.test_images):
            self.running_test()
        if iteration % options.keep_every == 0:
            self.save(folder.checkpoints / f"{iteration:06d}.safetensors")
        if iteration % options.save_every == 0 or last:
            self.save(folder.last)

    def log(self) -> None:
        """Append the interval's mean losses, and the speed since the last line, to the log, and show them."""
        iteration, (from_iteration, from_time) = self.progress.iteration, self.speed_from
        means = self.losses.means(iteration)  # waits for the device
        now = time.monotonic()
        images = (iteration - from_iteration) * self.options.batch_size
        entry = {"iteration": iteration, **means, "images_per_second": round(images / (now - from_time), 2)}
        entry["seconds"] = round(now - self.started, 3)
        self.speed_from = iteration, now
        self.session.folder.append_log(entry)
        self.status.report(entry)
        self.after_log()

    def running_test(self) -> None:
        """Reconstruct the running test's images, log the figures, and keep the checkpoint if it is the best so far."""
        iteration, folder, began = self.progress.iteration, self.session.folder, time.monotonic()
        network, workers = self.session.game.generator.network, self.session.workers
        at_once = usual_batch(self.test_images.shape[1:], self.backend.device)
        search = self.options.code_size, Search(), self.backend, at_once
        result = join(list(reconstruct(network, self.test_images, *search, workers=workers)))
        figures = summary(result)
        if not np.isfinite(figures["loss"]):
            raise NonFiniteError(f"the generator's reconstruction loss is not finite after iteration {iteration}")
        seconds = round(time.monotonic() - self.started, 3)
        folder.append_log({"iteration": iteration, "reconstruction": figures, "seconds": seconds})
        self.grids.write(folder.reconstructions / f"{iteration:06d}.png", result.images[:GRID_COUNT])
        if self.progress.best is None or figures["loss"] < self.progress.best.loss:
            self.progress.best = Best(iteration, figures["loss"])
            self.save(folder.best)
        self.status.report_test(iteration, figures, self.progress.best)
        from_iteration, from_time = self.speed_from
        self.speed_from = from_iteration, from_time + time.monotonic() - began  # training's speed, without the test

    def save(self, path: Path) -> None:
        """Write a checkpoint, once all grids and log lines are on disk: a resumed run does not make them again."""
        self.grids.wait()
        sync_path(self.session.folder.log, self.session.folder.log)
        if ranks.several():
            self.session.workers.together(ranks.make_whole)
        self.progress.pending_losses = self.losses.pending(self.progress.iteration)
        self.progress.seconds = time.monotonic() - self.started
        checkpoint.save(path, self.session.game, self.progress, self.options, self.session.fingerprint)
        if path == self.session.folder.last:
            self.saved_at = self.progress.iteration

    def save_samples(self) -> None:
        """Begin to write a grid of generated images, from the same codes every time, in evaluation mode."""
        G = self.session.game.generator.network
        chunks = range(0, len(self.preview), self.options.batch_size)
        images = [self.backend.to_host(G(self.preview[i : i + self.options.batch_size])[0]) for i in chunks]
        self.grids.write(self.session.folder.samples / f"{self.progress.iteration:06d}.png", np.concatenate(images))
