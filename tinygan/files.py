"""Files that are either whole or not there: write beside the target, make it durable, then rename."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, where folders are not locked
    fcntl = None

from tinygan.errors import TinyganError

TEMPORARY_SUFFIX = ".part"


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file in ``path``'s folder; on success it takes ``path``'s place in one step.

    If the block raises, or the process dies anywhere, what was at ``path`` before is still there and whole. An
    exception also removes the temporary file, a killed process leaves ``<name>.part`` behind for
    :func:`remove_temporary_files`.

    Raises:
        TinyganError: the system refused to write (full disk, no permission), naming the file and what is kept.
    """
    path = Path(path)
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            kept = " (the file that was there before is kept)" if path.exists() else ""
            raise TinyganError(
                f"cannot write {path}: {error.strerror or error}{kept}; free some space or choose another folder"
            ) from error
        raise


def write_atomically(path: Path, content: bytes | Callable[[BinaryIO], None]) -> None:
    """Write ``content`` (bytes, or a function that writes into the open file) through :func:`atomic_file`."""
    with atomic_file(path) as file:
        if callable(content):
            content(file)
        else:
            file.write(content)


def remove_temporary_files(folder: Path) -> None:
    """Delete what killed writers left in ``folder``."""
    for leftover in Path(folder).glob("*" + TEMPORARY_SUFFIX):
        leftover.unlink(missing_ok=True)


class FolderLock:
    """One process at a time writes in a folder: held from :meth:`acquire` to :meth:`release` or the process's end."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self._descriptor: int | None = None

    def acquire(self, refusal: str) -> None:
        """Lock the folder, where the system and the file system can.

        Raises:
            TinyganError: another process holds it; ``refusal`` is the line.
        """
        if fcntl is None:
            return
        self._descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise TinyganError(refusal) from None
        except OSError:  # a network file system without locks: nothing to hold
            self.release()

    def release(self) -> None:
        """Let others in; does nothing where there is no lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system can open a folder (not on Windows)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
