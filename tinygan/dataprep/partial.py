"""A packed set while it is being made: what is finished is on the disk, and is found again after a stop or a crash."""

import json
import os
import shutil
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinygan.data.decode import Block
from tinygan.data.packed import DESCRIPTION, HEADER_BYTES, IMAGES, LABELS, NAMES, PREVIEW, TRAIN, UNFINISHED, header
from tinygan.data.transform import Size
from tinygan.dataprep.measurepixels import pixels_crc
from tinygan.errors import TinyganError
from tinygan.files import TEMPORARY_SUFFIX, FolderLock, cannot_write, remove_temporary_files, sync, write_atomically
from tinygan.jsonfile import read_json

JOURNAL = "journal.json"
INSIDE = {IMAGES, JOURNAL, "keys.npy", "keys.json", "pixels.npy"}  # of the folder; the last three are of sources
# What it must be, see jsonfile.py.
JOURNAL_KIND = {"job": dict, "done": int, "rows": int, "skipped": list[tuple[int, str]], "notes": dict[str, int]}
JOURNAL_KIND |= {"crc?": int}  # of the pixels; journals of older versions have none


class PartialPack:
    """The folder ``out/unfinished``: images so far, and a journal that says how far that is.

    The images' file only grows, and the journal is replaced after the images that it speaks of are on the disk; so
    after a crash at any moment the journal is right, and what the file holds beyond it is cut off. ``done``
    items of the source are decoded into ``rows`` images, or ``skipped``: [item number, reason].
    """

    def __init__(self, out: Path, size: Size, keep: tuple[str, ...] = ()):
        self.out, self.size = out, size
        self.folder = self.out / UNFINISHED
        self.done = self.rows = self._crc = 0
        self.skipped: list[list] = []
        self.notes: Counter[str] = Counter()
        self.job: dict = {}
        self._images = None
        self._enter(keep)

    def _enter(self, keep: tuple[str, ...]) -> None:
        """Make the folder, or find it; refuse one that holds anything but our files and ``keep``."""
        out = self.out
        try:
            self._made = not out.exists()
            if (out / DESCRIPTION).exists():
                raise TinyganError(
                    f"--out {out} holds a packed set already (see data_prep.py info {out}): choose another folder"
                )
            out.mkdir(parents=True, exist_ok=True)
            ours = {UNFINISHED, *keep}
            foreign = []
            if self.folder.is_dir():  # these may have taken their places just before a crash
                ours |= {IMAGES, LABELS, NAMES, PREVIEW, TRAIN, DESCRIPTION}
                foreign = [
                    f"{UNFINISHED}/{path.name}" for path in self.folder.iterdir() if not _is_of(path.name, INSIDE)
                ]
            foreign += sorted(path.name for path in out.iterdir() if not _is_of(path.name, ours))
            if foreign:
                raise TinyganError(f"--out {out} is not empty (it holds {foreign[0]}): choose a new folder")
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise TinyganError(f"--out {out} cannot be made ({error.strerror}); choose another folder") from error
        self._lock = FolderLock(self.folder)
        self._lock.acquire(f"--out {out} is being prepared by another process: wait for it or stop it")
        remove_temporary_files(out)

    def open(self, job: dict) -> None:
        """Begin, or go on where the same job has left off; TinyganError where there are images of another one."""
        self.job = job
        path = self.folder / IMAGES
        if (self.out / IMAGES).exists():  # a crash after the file was finished, before the description was written
            os.replace(self.out / IMAGES, path)
        journal = self._read_journal()
        if journal and journal["job"] != job:
            different = sorted(name for name in job if journal["job"].get(name) != job[name])
            raise TinyganError(
                f"--out {self.out} holds an unfinished preparation with another {' and '.join(different)}: give the "
                "same command again to finish it, or delete the folder to start anew"
            )
        if journal and path.exists() and path.stat().st_size >= self._length(journal["rows"]):
            self._crc = pixels_crc(path, self._length(journal["rows"]) - HEADER_BYTES)
            if journal.get("crc", self._crc) != self._crc:
                raise TinyganError(f"{path} is damaged (wrong check sum): delete {self.out} to start anew")
            self.done, self.rows, self.skipped = journal["done"], journal["rows"], journal["skipped"]
            self.notes = Counter(journal["notes"])
        with self._writing():
            mode = "r+b" if path.exists() else "w+b"
            self._images = open(path, mode, buffering=0)  # noqa: SIM115 - closed by close()
            self._images.truncate(self._length(self.rows))
            self._images.seek(0, os.SEEK_END)

    def append(self, block: Block) -> None:
        """Add a block; TinyganError where it cannot be written: what is in the journal stays."""
        content = left = memoryview(block.images.reshape(-1))
        with self._writing():
            while left:  # without a buffer, a write may take a part
                left = left[self._images.write(left) :]
        self._crc = zlib.crc32(content, self._crc)
        self.skipped += [[self.done + number, why] for number, why in block.skipped]
        self.notes += block.notes
        self.done += block.items
        self.rows += len(block.images)

    def save(self) -> None:
        """Put everything so far on the disk, then say so in the journal; without an image there is nothing to keep."""
        if not self.rows:
            return
        with self._writing():
            sync(self._images.fileno())
        journal = {"job": self.job, "done": self.done, "rows": self.rows, "skipped": self.skipped, "notes": self.notes}
        journal["crc"] = self._crc
        write_atomically(self.folder / JOURNAL, json.dumps(journal).encode())

    def finish_images(self) -> Path:
        """Write the header, so that the images' file is whole, and return its path."""
        with self._writing():
            self._images.seek(0)
            self._images.write(header((self.rows, *self.size, 3)))
            sync(self._images.fileno())
        return self.folder / IMAGES

    def remove(self) -> None:
        """Delete the folder: all that is worth keeping lies beside it."""
        self._images.close()
        shutil.rmtree(self.folder)

    def close(self) -> None:
        """Close the file; where no image is kept in it, leave nothing behind."""
        if self._images:
            self._images.close()
        if not (self.folder / JOURNAL).exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            if self._made and not any(self.out.iterdir()):
                self.out.rmdir()
        self._lock.release()

    def _length(self, rows: int) -> int:
        return HEADER_BYTES + rows * self.size[0] * self.size[1] * 3

    def _read_journal(self) -> dict | None:
        path = self.folder / JOURNAL
        try:
            journal = read_json(path, JOURNAL_KIND, f"delete {self.out} to start anew")
        except FileNotFoundError:
            return None
        if journal["done"] != journal["rows"] + len(journal["skipped"]):
            raise TinyganError(f"{path} is damaged (its numbers do not add up): delete {self.out} to start anew")
        return journal

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise cannot_write(self.folder / IMAGES, error, "; what is finished is kept for this command") from error


def _is_of(name: str, ours: set[str]) -> bool:
    """Whether this is one of our files, or what a kill left of one that was being written."""
    return name in ours or (name.endswith(TEMPORARY_SUFFIX) and any(name.startswith(f"{own}.") for own in ours))
