"""Items of a source to pixels, in as many processes as there are processors, in the order of the items."""

import multiprocessing
import os
import signal
import threading
import warnings
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import wait
from typing import NamedTuple

import numpy as np
from PIL import Image

from tinygan.data.decode import decode, quiet_decoders, reason
from tinygan.data.transform import Size, fit
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


def decode_items(read: Read, items: Sequence[Item], size: Size, crop: Size | None) -> Block:
    """Read, decode and fit items one after the other; one that cannot be is skipped with its reason."""
    images, skipped, notes = np.empty((len(items), *size, 3), np.uint8), [], Counter()
    kept = 0
    for number, item in enumerate(items):
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
    return Block(len(items), images[:kept], skipped, notes)


def decoded_blocks(
    source: Source, items: Sequence[Item], start: int, size: Size, crop: Size | None, processes: int
) -> Iterator[Block]:
    """Blocks of ``items`` from number ``start`` on, in order; only a few wait in memory at any time.

    Raises:
        TinyganError: the source cannot be opened, or a worker died.
    """
    length = max(1, min(BLOCK_ITEMS, BLOCK_BYTES // (size[0] * size[1] * 3)))
    parts = (items[first : first + length] for first in range(start, len(items), length))
    if processes == 1 and not source.own_process:
        with quiet_decoders(), source.reader() as read:
            for part in parts:
                yield decode_items(read, part, size, crop)
        return
    with pool(processes) as submit:
        pending: deque[tuple[Sequence[Item], Future]] = deque()

        def oldest() -> Block:
            part, future = pending.popleft()
            try:
                return future.result()
            except BrokenProcessPool as error:
                first, last = printable(part[0]), printable(part[-1])
                raise TinyganError(
                    f"a process that read {source.path} between {first} and {last} died: a damaged file made its "
                    "decoder crash, or the memory ran out; what is finished is kept: remove the file, or give the same "
                    "command again with fewer --processes"
                ) from error

        for part in parts:
            pending.append((part, submit(_decode_in_worker, source, part, size, crop)))
            if len(pending) > 2 * processes:
                yield oldest()
        while pending:
            yield oldest()


@contextmanager
def pool(processes: int) -> Iterator:
    """Worker processes, started anew instead of forked, that never outlive this one; gives their ``submit``."""
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    executor = ProcessPoolExecutor(processes, mp_context=context, initializer=_begin_worker)
    try:
        yield executor.submit
    except KeyboardInterrupt:  # nobody wants to wait for what they are doing
        for worker in set(multiprocessing.active_children()) - others:
            worker.kill()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


_worker = ExitStack()  # what a worker holds open to its end, and the function that reads from it
_read: Read | None = None


def _begin_worker() -> None:
    """Leave stopping to the process that was started, but stop with it, however it ends."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    parent = multiprocessing.parent_process().sentinel
    threading.Thread(target=lambda: (wait([parent]), os._exit(1)), daemon=True).start()


def _decode_in_worker(source: Source, items: Sequence[Item], size: Size, crop: Size | None) -> Block:
    global _read
    if _read is None:
        _read = _worker.enter_context(source.reader())
    return decode_items(_read, items, size, crop)
