"""How far a long job is: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time

from tinygan.bars import tqdm
from tinygan.text import say

LINE_SECONDS = 10.0


class Progress:
    """A context that counts images from ``first`` to ``total`` and shows speed and the time still to go."""

    def __init__(self, first: int, total: int, desc: str = "images"):
        self.first = self.done = first
        self.total, self.desc = total, desc

    def __enter__(self) -> "Progress":
        self.started = self.shown = time.monotonic()
        shown = {"initial": self.first, "total": self.total, "desc": self.desc, "unit": "image"}
        self.bar = tqdm(**shown, dynamic_ncols=True, disable=None)
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.close()

    def advance(self, images: int) -> None:
        """So many more are finished."""
        self.done += images
        self.bar.update(images)
        now = time.monotonic()
        if self.bar.disable and now - self.shown > LINE_SECONDS:
            self.shown = now
            speed = (self.done - self.first) / (now - self.started)
            to_go = tqdm.format_interval((self.total - self.done) / speed)
            say(f"{self.done} of {self.total} {self.desc}, {speed:.0f}/s, to go {to_go}", file=sys.stderr)
