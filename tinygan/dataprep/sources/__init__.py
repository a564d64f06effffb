"""Where images to be packed come from: a folder, a zip archive, an LSUN database, CIFAR-10.

A source is listed once, in the main process; then any number of processes read items through readers of their own. It
is pickled to them, so it holds paths and no open files.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from tinygan import text

Item = str | bytes  # what a source calls one of its images
Read = Callable[[Item], bytes | np.ndarray]  # an image file's bytes, or pixels uint8 (H, W, 3)


@dataclass(frozen=True)
class Listing:
    """Everything a source holds, in the order in which it will be packed."""

    items: Sequence[Item]  # the images' names, each once
    fingerprint: str  # "sha256:<hex>" of the source's state: another one means that it is not what it was
    labels: np.ndarray | None = None  # int64, one per item
    classes: tuple[str, ...] = ()  # what the labels mean, in their order
    skipped: list[tuple[Item, str]] = field(default_factory=list)  # (name, reason) of images that will not be read
    left_out: list[str] = field(default_factory=list)  # one phrase each about files that are no images


class Source(Protocol):
    """What :func:`tinygan.dataprep.prepare.prepare` packs: the folder or file at ``path``.

    Reading one with ``own_process`` can crash the process that reads (an unsound C library on a damaged file), so it is
    never done in the main process.
    """

    path: Path
    own_process: bool

    def list(self, scratch: Path) -> Listing:
        """What there is; the folder ``scratch`` is for files that are needed until the preparation is finished.

        Raises TinyganError where there is nothing, or it is damaged: one line naming file and remedy.
        """

    def reader(self) -> AbstractContextManager[Read]:
        """A function from an item to its content; it raises whatever it meets if the item cannot be read."""


def printable(item: Item) -> str:
    """An item's name as one line of text: what no terminal prints, and the backslash, is written as an escape."""
    name = item.decode("latin1") if isinstance(item, bytes) else item
    return text.printable(name.replace("\\", r"\\"))
