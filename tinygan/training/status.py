"""The one status line: a progress bar on a terminal, plain lines elsewhere."""

import sys
import time

from tinygan.bars import tqdm
from tinygan.errors import drop_unwritten
from tinygan.text import printable, say
from tinygan.training.checkpoint import Best


class Status:
    """Shows iteration, losses, images per second, elapsed time and the time still to go."""

    def __init__(self, iteration: int, iterations: int):
        self.first, self.iterations = iteration, iterations
        self.started = time.monotonic()
        self.refused: OSError | None = None  # why standard output took no more: a reader that has gone, a full disk
        # One update per iteration; with disable=None nothing is shown unless standard error is a terminal.
        self.bar = tqdm(initial=iteration, total=iterations, unit="it", dynamic_ncols=True, disable=None)

    def report(self, entry: dict) -> None:
        """Show a log entry."""
        losses = f"d_real {entry['d_real']:.4f}  d_fake {entry['d_fake']:.4f}  g {entry['g']:.4f}"
        speed = f"{entry['images_per_second']:.0f} images/s"
        if not self.bar.disable:
            self.bar.set_postfix_str(f"{losses}  {speed}")
            return
        elapsed = time.monotonic() - self.started
        done = entry["iteration"] - self.first
        to_go = elapsed / done * (self.iterations - entry["iteration"])
        times = f"elapsed {tqdm.format_interval(elapsed)}  to go {tqdm.format_interval(to_go)}"
        self.note(f"iteration {entry['iteration']}/{self.iterations}  {losses}  {speed}  {times}")

    def report_test(self, iteration: int, figures: dict, best: Best) -> None:
        """Show a running test."""
        text = f"iteration {iteration}  reconstruction {figures['loss']:.6f}  psnr {figures['psnr']:.2f} dB"
        self.note(f"{text}  best {best.loss:.6f} at {best.iteration}")

    def note(self, text: str) -> None:
        """Show a line; above the bar on a terminal."""
        if not self.bar.disable:
            self.bar.write(printable(text), file=sys.stderr)
            return
        try:
            say(text)
        except OSError as error:
            self.refused = error
            drop_unwritten()

    def close(self) -> None:
        """End the progress bar."""
        self.bar.close()
