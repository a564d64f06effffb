"""Make a packed set from a source: once, in parallel, safely."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import PIL

from tinygan.bars import tqdm
from tinygan.data.decode import Block
from tinygan.dataprep.finish import PackOptions, finish, skipped_images
from tinygan.dataprep.partial import PartialPack
from tinygan.dataprep.partition import read_partition
from tinygan.dataprep.sources import Listing, Source
from tinygan.dataprep.workers import decoded_blocks
from tinygan.errors import Stopped, TinyganError, UsageError
from tinygan.signals import StopRequest
from tinygan.text import say

SAVE_SECONDS = 5.0  # between two journals: what a crash may cost
LINE_SECONDS = 10.0  # between two lines that say how far it is


def prepare(source: Source, options: PackOptions, out: Path, processes: int, keep: tuple[str, ...] = ()) -> dict:
    """Pack ``source`` into the folder ``out`` and return what ``dataset.json`` says of it.

    Stopped by a signal, a crash or a full disk, it keeps what is finished, and the same call goes on from there. The
    result is the same, whatever the number of processes and stops. Files named in ``keep`` may lie in ``out`` already.

    Raises TinyganError where the source or ``out`` is not usable, or too many images are not; UsageError where the
    partition does not fit the images; Stopped when a signal came.
    """
    place, origin = (Path(os.path.realpath(path)) for path in (out, source.path))  # resolve() fails at circles of links
    if source.path.is_dir() and place.is_relative_to(origin) and not keep:
        raise UsageError(f"--out {out} lies in the source {source.path}: choose a folder elsewhere")
    pack = PartialPack(out, options.size, keep)
    try:
        listing = source.list(pack.folder)
        partition = read_partition(options.partition, listing.items) if options.partition else None
        pack.open(_job(source, options, listing))
        if pack.rows:
            say(f"{pack.rows} images are finished already; going on from there", file=sys.stderr)
        _check_space(out, options, len(listing.items) - pack.rows)
        _decode(source, options, listing, pack, processes)
        return finish(source, options, listing, pack, partition)
    finally:
        pack.close()


def _job(source: Source, options: PackOptions, listing: Listing) -> dict:
    """What must be the same for finished images to be of use."""
    return {
        "source": f"{os.path.realpath(source.path)} {listing.fingerprint}",
        "--image-size": list(options.size),
        "--crop-size": list(options.crop) if options.crop else None,
        "Pillow": PIL.__version__,
    }


def _check_space(out: Path, options: PackOptions, images: int) -> None:
    needed, free = images * options.size[0] * options.size[1] * 3, shutil.disk_usage(out).free
    if needed > free:
        raise TinyganError(
            f"--out {out}: {images} images need {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free; free some "
            "space or choose another disk"
        )


def _decode(source: Source, options: PackOptions, listing: Listing, pack: PartialPack, processes: int) -> None:
    """Decode what is not yet decoded; the journal is saved now and then, and whenever this ends."""
    total = len(listing.items) + len(listing.skipped)
    limit = int(round(options.max_skipped * total, 6))
    _limit_skipped(listing, pack, limit)
    saved = time.monotonic()
    with StopRequest() as stop:
        decoded = decoded_blocks(source, listing.items, pack.done, options.size, options.crop, processes, stop.asked)
        try:
            with closing(decoded), closing(_counted(decoded, pack.done, len(listing.items))) as blocks:
                for block in blocks:
                    pack.append(block)
                    _limit_skipped(listing, pack, limit)
                    if time.monotonic() - saved > SAVE_SECONDS:
                        pack.save()
                        saved = time.monotonic()
        except BaseException:
            with suppress(TinyganError):  # on a full disk the journal of before stays
                pack.save()
            raise
    pack.save()
    if stop.asked():
        raise Stopped(
            f"stopped by {signal.Signals(stop.number).name}: {pack.done} of {len(listing.items)} images are "
            "finished and kept; give the same command again to go on",
            stop.number,
        )


def _counted(blocks: Iterable[Block], first: int, total: int) -> Iterator[Block]:
    """Pass ``blocks`` on, and show how far it is: a bar on a terminal, a plain line now and then elsewhere."""
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


def _limit_skipped(listing: Listing, pack: PartialPack, limit: int) -> None:
    count = len(listing.skipped) + len(pack.skipped)
    if count > limit:
        name, why = skipped_images(listing, pack)[0]
        raise TinyganError(
            f"more than {limit} of {len(listing.items) + len(listing.skipped)} images cannot be used, the first: "
            f"{name}: {why}; repair or remove them, or raise --max-skipped"
        )
