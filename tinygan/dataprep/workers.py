"""Items of a source to pixels, in as many processes as there are cores, in the order of the items."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np
from PIL import Image

from tinygan.data.decode import decode, quiet_decoders, reason
from tinygan.data.transform import Size, fit
from tinygan.dataprep.pool import Pool, WorkerEnded
from tinygan.dataprep.sources import Item, Read, Source, printable
from tinygan.errors import TinyganError

BLOCK_BYTES = 4 << 20  # of pixels that travel from process to process at once
BLOCK_ITEMS = 256


class Block(NamedTuple):
    """What became of ``items`` items.

    Attributes:
        images: uint8 (n, H, W, 3).
        skipped: (number in the block, reason) of the items that are not among them.
        notes: how many were converted in what way.
    """

    items: int
    images: np.ndarray
    skipped: list[tuple[int, str]]
    notes: Counter[str]


def decode_items(
    read: Read, items: Sequence[Item], size: Size, crop: Size | None, stopped: Callable[[], bool] = lambda: False
) -> Block:
    """Read, decode and fit items one after the other; one that cannot be is skipped with its reason.

    Args:
        stopped: asked before each item; once it is true the block ends there.
    """
    images, skipped, notes = np.empty((len(items), *size, 3), np.uint8), [], Counter()
    kept, done = 0, len(items)
    for number, item in enumerate(items):
        if stopped():
            done = number
            break
        try:
            content = read(item)
            if isinstance(content, np.ndarray):
                images[kept], found = fit(Image.fromarray(content), size, crop), ()
            else:
                images[kept], found = decode(content, size, crop)
        except MemoryError:
            raise
        except Exception as error:  # decoders meet damage with nearly any type of exception
            skipped.append((number, reason(error)))
        else:
            notes.update(found)
            kept += 1
    return Block(done, images[:kept], skipped, notes)


def decoded_blocks(
    source: Source,
    items: Sequence[Item],
    start: int,
    size: Size,
    crop: Size | None,
    processes: int,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Block]:
    """Blocks of ``items`` from number ``start`` on, in order; only a few wait in memory at any time.

    Args:
        stopped: asked now and then; once it is true there are no more blocks.

    Raises:
        TinyganError: the source cannot be opened, or a worker ended.
    """
    length = max(1, min(BLOCK_ITEMS, BLOCK_BYTES // math.prod((*size, 3))))
    parts = (items[first : first + length] for first in range(start, len(items), length))
    if processes == 1 and not source.own_process:
        with quiet_decoders(), source.reader() as read:
            for part in parts:
                if stopped():
                    return
                yield decode_items(read, part, size, crop, stopped)
        return
    with Pool(min(processes, max(1, math.ceil((len(items) - start) / length)))) as pool:
        requests = ((source, part, size, crop) for part in parts)
        try:
            for block in pool.in_order(_decode_in_worker, requests, stopped):
                yield block
                start += block.items
        except WorkerEnded as error:
            first, last = printable(items[start]), printable(items[min(start + length, len(items)) - 1])
            fewer = ", with fewer --processes if memory ran out" if processes > 1 else ""
            raise TinyganError(
                f"the process that read {source.path} between {first} and {last} ended ({error}); what is finished is "
                f"kept: give the same command again{fewer}; if it ends there each time, remove the file that crashes it"
            ) from error


_opened = ExitStack()  # what a worker holds open to its end, and the function that reads from it
_read: Read | None = None


def _decode_in_worker(source: Source, items: Sequence[Item], size: Size, crop: Size | None) -> Block:
    global _read
    if _read is None:
        _read = _opened.enter_context(source.reader())
    return decode_items(_read, items, size, crop)
