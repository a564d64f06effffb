"""How far a preparation is: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Iterable, Iterator

from tinygan.bars import tqdm
from tinygan.data.decode import Block
from tinygan.text import say

LINE_SECONDS = 10.0


def counted(blocks: Iterable[Block], first: int, total: int) -> Iterator[Block]:
    """Pass ``blocks`` on, and show how many images from ``first`` to ``total`` are done, speed and time to go."""
    done, started = first, time.monotonic()
    shown = started  # when a line was shown last
    with tqdm(initial=first, total=total, desc="images", unit="image", dynamic_ncols=True, disable=None) as bar:
        for block in blocks:
            yield block
            done += block.items
            bar.update(block.items)
            now = time.monotonic()
            if bar.disable and now - shown > LINE_SECONDS:
                shown, speed = now, (done - first) / (now - started)
                to_go = tqdm.format_interval((total - done) / speed)
                say(f"{done} of {total} images, {speed:.0f}/s, to go {to_go}", file=sys.stderr)
