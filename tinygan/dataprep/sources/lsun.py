"""An LSUN class as it is published: an LMDB from keys to encoded images (Yu et al. 2015, arXiv 1506.03365).

The LMDB library trusts a database's every byte, and a damaged one can crash the process that reads it. So it is only
ever opened in worker processes, one environment in each and none across a fork.
"""

import hashlib
import importlib.util
import itertools
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinygan.data.packed import checksum_of
from tinygan.dataprep.pool import Pool, WorkerEnded
from tinygan.dataprep.sources import Listing, Read
from tinygan.errors import TinyganError
from tinygan.files import write_atomically
from tinygan.jsonfile import parse_json, read_bytes
from tinygan.text import how_to_install

KEYS, KEYS_STATE = "keys.npy", "keys.json"  # the list of keys, and what it is the list of
CHUNK = 65_536  # keys gathered at once
LONGEST_KEY = 511  # bytes, LMDB's own limit


@dataclass(frozen=True)
class LmdbSource:
    """The values of the database in the folder ``path``, in the order of their keys."""

    path: Path
    own_process = True

    def list(self, scratch: Path) -> Listing:
        """The keys, kept in ``scratch``: listing millions takes minutes. TinyganError without the package lmdb, too."""
        if importlib.util.find_spec("lmdb") is None:
            raise TinyganError(f"LSUN's database needs the package lmdb: {how_to_install('lsun')}")
        try:
            with Pool(1) as pool:
                (state,) = pool.in_order(list_keys, [(self.path, scratch)])
        except WorkerEnded as error:
            raise damaged(self.path, f"its reader ended {error}") from error
        digest = hashlib.sha256(json.dumps(state).encode()).hexdigest()
        return Listing(np.asarray(np.load(scratch / KEYS, mmap_mode="r", allow_pickle=False)), f"sha256:{digest}")

    @contextmanager
    def reader(self) -> Iterator[Read]:
        """From a key to the encoded image."""
        with open_database(self.path) as (_, transaction):

            def read(key: bytes) -> bytes:
                value = transaction.get(key)
                if value is None:
                    raise ValueError("the database has lost this key")
                return value

            yield read


@contextmanager
def open_database(path: Path) -> Iterator[tuple]:
    """The environment and a read transaction, without locks; TinyganError for no LMDB, or one with parts missing."""
    import lmdb

    how = {"readonly": True, "lock": False, "readahead": False, "meminit": False, "create": False}
    try:
        with lmdb.open(str(path), **how) as environment:
            length = os.path.getsize(path / "data.mdb")
            expected = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
            if length < expected:  # reading on would end the process
                raise damaged(path, f"{length} of {expected} bytes are there")
            with environment.begin(buffers=False) as transaction:
                yield environment, transaction
    except lmdb.Error as error:
        raise damaged(path, error) from error


def list_keys(path: Path, scratch: Path) -> list:
    """Write all keys as an array of bytes, unless they are there, whole; returns what the list belongs to."""
    with open_database(path) as (environment, transaction):
        entries = environment.stat()["entries"]
        state = [entries, os.path.getsize(path / "data.mdb")]
        kept = _read_state(scratch / KEYS_STATE)
        if kept[:2] == state and (scratch / KEYS).is_file() and checksum_of(scratch / KEYS) == kept[3]:
            return kept[:3]
        chunks, last, digest = [np.zeros(0, "S1")], b"", hashlib.sha256()
        keys = transaction.cursor().iternext(keys=True, values=False)
        while chunk := list(itertools.islice(keys, CHUNK)):
            for key in chunk:
                # A damaged tree can lead round in circles.
                if not last < key or len(key) > LONGEST_KEY or key.endswith(b"\0"):
                    raise damaged(path, "its keys are out of order")
                last = key
                digest.update(len(key).to_bytes(2, "little") + key)
            chunks.append(np.array(chunk))
    if sum(map(len, chunks)) != entries or not entries:
        raise damaged(path, f"{sum(map(len, chunks))} images are there, {entries} should be")
    write_atomically(scratch / KEYS, lambda file: np.save(file, np.concatenate(chunks)))
    state.append(digest.hexdigest())
    write_atomically(scratch / KEYS_STATE, json.dumps([*state, checksum_of(scratch / KEYS)]).encode())
    return state


def _read_state(path: Path) -> list:
    """Entries and size of the database, digest of its keys, check sum of their file; empty where that is not known."""
    try:
        return parse_json(read_bytes(path), tuple[int, int, str, str])
    except (FileNotFoundError, ValueError):  # then the keys are listed again
        return []


def damaged(path: Path, what: object) -> TinyganError:
    """The line for a database that cannot be read."""
    return TinyganError(
        f"{path} is no whole LSUN database ({' '.join(str(what).split())}); get or unpack it again, or name a folder "
        "of exported images"
    )
