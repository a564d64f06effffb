"""Items of a source to pixels, in as many processes as there are cores, in the order of the items."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import numpy as np

from tinygan.data.decode import Block, decode_items, quiet_decoders, reason
from tinygan.data.transform import Size
from tinygan.dataprep.pool import Pool, WorkerEnded
from tinygan.dataprep.sources import Item, Read, Source, printable
from tinygan.errors import TinyganError

BLOCK_BYTES = 4 << 20  # of pixels that travel from process to process at once
BLOCK_ITEMS = 256


def decoded_blocks(
    source: Source,
    items: Sequence[Item],
    start: int,
    size: Size,
    crop: Size | None,
    processes: int,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Block]:
    """Blocks of ``items`` from number ``start`` on, in order, until ``stopped``; TinyganError where a worker ended."""
    length = max(1, min(BLOCK_ITEMS, BLOCK_BYTES // math.prod((*size, 3))))
    parts = (items[first : first + length] for first in range(start, len(items), length))
    if processes == 1 and not source.own_process:
        with quiet_decoders(), source.reader() as read:
            for part in parts:
                if stopped():
                    return
                yield _decode(read, part, size, crop, stopped)
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
    return _decode(_read, items, size, crop)


def _decode(read: Read, items: Sequence[Item], size: Size, crop: Size | None, *stopped: Callable[[], bool]) -> Block:
    """A block with the reasons in words: not every decoder's exception can be sent from process to process."""
    block = decode_items(read, items, np.empty((len(items), *size, 3), np.uint8), crop, *stopped)
    return block._replace(skipped=[(number, reason(error)) for number, error in block.skipped])
