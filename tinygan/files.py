"""Files that are either whole or not there: write beside the target, make it durable, then rename."""

import errno
import glob
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, where nothing is locked
    fcntl = None

from tinygan.errors import TinyganError

TEMPORARY_SUFFIX = ".part"
# What helps when the system refuses; for other errors no remedy is known.
REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space: your quota is used up",
    errno.EFBIG: "allow larger files (ulimit -f), or name a file system that can hold them",
    errno.ENOENT: "make its folder first",
    errno.ENOTDIR: "a part of its path is no folder",
    errno.EISDIR: "a folder is in its place",
    errno.EACCES: "allow it, or name a folder that you may write to",
    errno.EPERM: "allow it, or name a folder that you may write to",
    errno.EROFS: "name a folder that can be written to",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ELOOP: "its links lead round in a circle: name the file itself",
}
HELD = (5, 32)  # Windows' ERROR_ACCESS_DENIED and ERROR_SHARING_VIOLATION, both EACCES to Python
PAUSES = (0.05, 0.1, 0.2, 0.4, 0.75, 1.5)  # seconds
# How a folder, or a file system such as CIFS and some of FUSE, says that it has no fsync.
NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.ENOSYS}


@contextmanager
def atomic_file(path: Path, mode: int | None = None) -> Iterator[BinaryIO]:
    """Open a temporary file in ``path``'s folder; on success it takes ``path``'s place in one step.

    For the program's own files; what a user names is written by :func:`tinygan.output.write_output`. If the block
    raises, or the process dies anywhere, what was at ``path`` before is still there and whole. An exception also
    removes the temporary file; a killed process leaves one that ends in ``.part`` behind, which the next writer of
    ``path`` removes. Every writer has one of its own, so of two that write the same file the last wins. ``mode`` is the
    file's, None for that of any new one. Raises TinyganError where the system refuses to write (full disk, no
    permission), naming the file and what is kept.
    """
    path, temporary = Path(path), None
    try:
        with _new_temporary(path) as file:
            temporary = Path(file.name)
            yield file
            file.flush()
            if mode is not None:
                os.chmod(temporary, mode)
            sync(file.fileno())
            if fcntl is None:  # Windows renames no open file
                file.close()
            replace(temporary, path)
    except BaseException as error:
        if temporary:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            kept = "; the file that was there before is kept" if path.is_file() else ""
            raise cannot_write(path, error, kept) from error
        raise
    sync_path(path.parent, path)  # the rename itself


def write_atomically(path: Path, content: bytes | Callable[[BinaryIO], None], mode: int | None = None) -> None:
    """Write ``content`` (bytes, or a function that writes into the open file) through :func:`atomic_file`."""
    with atomic_file(path, mode) as file:
        file.write(content) if isinstance(content, bytes) else content(file)


def replace(source: Path, target: Path) -> None:
    """os.replace. Windows refuses it while another program has ``target`` open: tried again for three seconds then."""
    for pause in PAUSES:
        try:
            return os.replace(source, target)
        except PermissionError as error:
            if getattr(error, "winerror", None) not in HELD:
                raise
        time.sleep(pause)
    return os.replace(source, target)


def cannot_write(path: Path, error: OSError, kept: str = "") -> TinyganError:
    """The line for a refusal of the system: what it was, what is ``kept``, and what helps, where that is known."""
    remedy = REMEDIES.get(error.errno, "")
    if getattr(error, "winerror", None) in HELD:
        remedy = f"another program may have it open: close it there; else {remedy}"
    return TinyganError(f"cannot write {path}: {error.strerror or error}{kept}{remedy and '; ' + remedy}")


def sync(descriptor: int) -> None:
    """fsync, where the file system has one; raises OSError if what was written did not come to the disk."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise


def remove_temporary_files(folder: Path, name: str = "") -> None:
    """Delete what killed writers left in ``folder``, of files whose names begin with ``name``.

    What is being written is locked, or on Windows, where nothing is, open and cannot be deleted: it stays.
    """
    for leftover in folder.glob(f"{glob.escape(name)}*{TEMPORARY_SUFFIX}"):
        try:
            with open(leftover, "r+b") as file:
                mine = fcntl is None or _lock(file.fileno())
            if mine:
                leftover.unlink(missing_ok=True)
        except OSError:  # already gone, no file, or somebody else's
            continue


class FolderLock:
    """One process at a time writes in a folder: held from :meth:`acquire` to :meth:`release` or the process's end."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._descriptor: int | None = None

    def acquire(self, refusal: str) -> None:
        """Lock the folder, where the system and the file system can; TinyganError(refusal) if another one has."""
        if fcntl is None or self._descriptor is not None:
            return
        self._descriptor = os.open(self.folder, os.O_RDONLY)
        if _lock(self._descriptor) is False:
            self.release()
            raise TinyganError(refusal)

    def __del__(self) -> None:
        self.release()  # a trainer that was dropped holds nothing

    def release(self) -> None:
        """Let others in; does nothing where there is no lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _lock(descriptor: int) -> bool | None:
    """Lock a file until the descriptor is closed: False if somebody else has, None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    except OSError:  # some network file systems
        return None


def _new_temporary(path: Path) -> BinaryIO:
    """A new file beside ``path``, locked before anyone takes it for a leftover."""
    beginning = path.name[:50] + "."
    remove_temporary_files(path.parent, beginning)
    while True:
        temporary = path.with_name(f"{beginning}{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
        file = open(temporary, "xb")  # noqa: SIM115 - the caller closes it
        if _lock(file.fileno()) is not False and os.fstat(file.fileno()).st_nlink:
            return file
        file.close()


def sync_path(path: Path, file: Path) -> None:
    """Have a file's bytes, or a folder's names, on the disk, if it can be opened; a TinyganError names ``file``."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:  # there is none; a folder on Windows; or one that may be written to, but not listed
        return
    try:
        sync(descriptor)
    except OSError as error:
        raise TinyganError(f"{file} is written, but may not outlast a power cut: {error.strerror or error}") from error
    finally:
        os.close(descriptor)
