"""Tiny copies of CIFAR-10 in every form that it comes in: 6 batches of 4 images instead of 10,000."""

import hashlib
import io
import os
import pickle
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tinygan.data import cifar10

RECORDS = 4


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """No test here cuts the power, and a busy disk takes longer to confirm a file than to prepare a set."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


class Python2Pickler(pickle._Pickler):
    """Writes what Python 2 wrote: bytes as its str, arrays under NumPy's old module name."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_bytes_as_str(self, obj):
        short, long = pickle.SHORT_BINSTRING, pickle.BINSTRING
        self.write(short + bytes([len(obj)]) if len(obj) < 256 else long + len(obj).to_bytes(4, "little"))
        self.write(obj)
        self.memoize(obj)

    def save_old_global(self, obj, name=None):
        self.write(f"c{obj.__module__.replace('numpy._core', 'numpy.core')}\n{obj.__qualname__}\n".encode())
        self.memoize(obj)

    dispatch[bytes] = save_bytes_as_str
    dispatch[type] = save_old_global
    dispatch[type(pickle.dumps)] = save_old_global


def pickled(batch) -> bytes:
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=2).dump(batch)
    return buffer.getvalue()


@pytest.fixture(name="pickled")
def pickled_fixture():
    return pickled


def tar_of(members: dict[str, bytes], extra: tuple[tarfile.TarInfo, ...] = ()) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for info in extra:
            tar.addfile(info, io.BytesIO(b"x" * info.size))
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def tiny(monkeypatch):
    """The images and labels, the files of both versions, and helpers that make and register archives of them."""
    monkeypatch.setattr(cifar10, "RECORDS", RECORDS)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6 * RECORDS, 32, 32, 3), np.uint8)
    labels = rng.integers(0, 10, 6 * RECORDS)
    binary, python = {}, {}
    for k in range(6):
        rows = slice(k * RECORDS, (k + 1) * RECORDS)
        planes = images[rows].transpose(0, 3, 1, 2).reshape(RECORDS, 3072)
        binary[cifar10.BINARY.batches[k]] = np.hstack([labels[rows, None].astype(np.uint8), planes]).tobytes()
        python[cifar10.PYTHON.batches[k]] = pickled(
            {b"batch_label": b"a batch", b"labels": labels[rows].tolist(), b"data": planes}
        )

    def register(which: str, content: bytes) -> bytes:
        """Make ``content`` the genuine archive of version ``which`` (BINARY or PYTHON)."""
        version = getattr(cifar10, which)
        sha256 = hashlib.sha256(content).hexdigest()
        monkeypatch.setattr(cifar10, which, version._replace(length=len(content), sha256=sha256))
        return content

    def archive(which: str, extra=()) -> bytes:
        files, version = (binary if which == "BINARY" else python), getattr(cifar10, which)
        return tar_of({f"{version.folder}/{name}": content for name, content in files.items()}, extra)

    def write(folder, files):
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return folder

    return SimpleNamespace(
        images=images,
        labels=labels,
        binary=binary,
        python=python,
        register=register,
        archive=archive,
        write=write,
        tar_of=tar_of,
    )


def picture(k, height=8, width=8) -> Image.Image:
    """A random RGB image, the k-th."""
    return Image.fromarray(np.random.default_rng(k).integers(0, 256, (height, width, 3), np.uint8))


def write_pictures(folder, count, suffix=".png", height=8, width=8):
    """``folder`` with the pictures 000.png, 001.png …"""
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(count):
        picture(k, height, width).save(folder / f"{k:03d}{suffix}")
    return folder


def encoded(image, form, **options) -> bytes:
    """The image as a file of this format."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def lsun_database(folder, values):
    """An LMDB as LSUN's: 40 hexadecimal characters to the encoded images; returns the keys of ``values``."""
    import lmdb

    folder.mkdir(parents=True)
    keys = [hashlib.sha1(f"{k}".encode()).hexdigest().encode() for k in range(len(values))]
    with lmdb.open(str(folder), map_size=1 << 26) as environment, environment.begin(write=True) as transaction:
        for key, value in zip(keys, values, strict=True):
            transaction.put(key, value)
    return keys
