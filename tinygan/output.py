"""Files that a user names: written as the user means the path, be it a link, a device or a pipe."""

import errno
import io
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from tinygan.errors import TinyganError
from tinygan.files import cannot_write, write_atomically

# What forbids to replace a file that may yet be written to: its folder's permissions, or that it is a mount point.
NOT_REPLACED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY)


def check_output(path: Path, option: str) -> None:
    """Refuse a path that cannot be written to, before hours of work go into what shall be written there.

    Raises TinyganError for a folder, a path in none, or a forbidden one; the line begins with ``option``.
    """
    target = Path(os.path.realpath(path))
    if path.is_dir():
        raise TinyganError(f"{option} {path} is a folder: name a file, such as {path / 'FILE'}")
    if not target.parent.is_dir():
        raise TinyganError(f"{option} {path}: there is no folder {target.parent}; make it first")
    if not os.access(path if path.exists() else target.parent, os.W_OK):
        raise TinyganError(f"{option} {path}: you may not write there; name another file")


def make_new_folder(folder: Path, option: str) -> None:
    """Make the folder that ``option`` names for new files; TinyganError where that cannot be, or it is not empty."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise TinyganError(f"{option} {folder} is not empty: name a new one")
    except OSError as error:
        raise TinyganError(f"{option} {folder} cannot be made ({error.strerror}): name a new folder") from error


def write_output(path: Path, content: bytes | Callable[[BinaryIO], None]) -> None:
    """Write ``content`` (bytes, or a function that writes into the open file) to a path that a user gave.

    A file is replaced in one step, so what was there stays whole until then, and keeps its permissions. A symbolic
    link is followed. A device, a pipe, a file with several names or another owner or group is written to, not replaced;
    so is what standard output goes to, behind what was printed before. Raises TinyganError for a folder, and where the
    system refuses to write.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError:  # new, or a link to what is not there yet
        status = None
    except OSError as error:
        raise cannot_write(path, error) from error
    target = Path(os.path.realpath(path))
    if status is None or (_replaceable(status) and os.access(target, os.W_OK)):
        try:
            write_atomically(target, content, status and stat.S_IMODE(status.st_mode))
            return
        except TinyganError as error:
            if status is None or getattr(error.__cause__, "errno", None) not in NOT_REPLACED:
                raise
    _write_into(path, status, content)


def _replaceable(status: os.stat_result) -> bool:
    """Whether a new file of this name could stand for the old one in every way."""
    ours = not hasattr(os, "geteuid") or (status.st_uid, status.st_gid) == (os.geteuid(), os.getegid())
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and ours and _standard_stream(status) is None


def _standard_stream(status: os.stat_result) -> int | None:
    """The descriptor of standard output or error, if it goes to this very file."""
    for descriptor in (1, 2):
        try:
            if os.path.samestat(os.fstat(descriptor), status):
                return descriptor
        except OSError:  # closed
            continue
    return None


def _write_into(path: Path, status: os.stat_result, content: bytes | Callable[[BinaryIO], None]) -> None:
    """Write all of ``content``, made before the first byte goes out."""
    if not isinstance(content, bytes):
        content(made := io.BytesIO())
        content = made.getvalue()
    stream = _standard_stream(status)
    try:
        if stream is not None:
            for text in (sys.stdout, sys.stderr):
                text.flush()
        with open(path if stream is None else os.dup(stream), "wb") as file:
            file.write(content)
    except OSError as error:
        raise cannot_write(path, error) from error
