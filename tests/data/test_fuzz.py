"""Mutated files of every kind that data_prep.py and train.py read: one line or a listed skip, never anything else.

A mutation cuts, repeats, overwrites or flips bytes of a good file. Whatever comes of it may be a success, a
TinyganError, or (for one image among many) a skip with a reason. Anything else fails: another exception, an end of the
process, more than a few seconds.
"""

import io
import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.conftest import encoded, lsun_database, picture, write_pictures
from tinygan.data import cifar10
from tinygan.data.decode import decode, quiet_decoders, reason
from tinygan.data.packed import open_packed, read_description
from tinygan.dataprep.describe import describe, verify
from tinygan.dataprep.finish import PackOptions
from tinygan.dataprep.partition import read_partition
from tinygan.dataprep.prepare import prepare
from tinygan.dataprep.sources.files import FolderSource
from tinygan.dataprep.sources.lsun import LmdbSource
from tinygan.dataprep.sources.zipped import ZipSource
from tinygan.errors import TinyganError
from tinygan.text import printable

SIZE = (8, 8)
SECONDS = 5.0  # for one file; a good one takes milliseconds
NAMES = [f"{k:03d}.jpg" for k in range(20)]


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """One to four random changes."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        if not content:
            break
        at, length = int(rng.integers(len(content))), int(rng.integers(1, 40))
        match rng.integers(6):
            case 0:
                content[at] ^= 1 << int(rng.integers(8))
            case 1:
                content[at : at + length] = rng.integers(0, 256, length).astype(np.uint8).tobytes()
            case 2:
                content[at : at + 4] = b"\xff\xff\xff\x7f"
            case 3:
                del content[at : at + length]
            case 4:
                content[at:at] = content[at : at + length]
            case 5:
                del content[at:]
    return bytes(content)


def image_files() -> list[bytes]:
    image, exif = picture(0, 20, 24), Image.Exif()
    exif[0x0112] = 3
    forms = [encoded(image, form) for form in ("PNG", "BMP", "WEBP")]
    forms += [encoded(image, "JPEG", exif=exif), encoded(image, "JPEG", progressive=True)]
    forms += [encoded(image.convert(mode), "PNG") for mode in ("P", "L", "LA", "RGBA", "1")]
    forms += [encoded(image.convert("CMYK"), "JPEG"), encoded(image, "WEBP", lossless=True)]
    forms.append(encoded(Image.fromarray(np.full((20, 24), 40_000, np.uint16)), "PNG", transparency=40_000))
    forms.append(encoded(image, "MPO", save_all=True, append_images=[picture(1)], exif=exif))
    frames = [picture(k, 12, 12) for k in range(2)]
    forms += [encoded(frames[0], form, save_all=True, append_images=frames[1:]) for form in ("PNG", "WEBP")]
    return forms


def check_line(text: str) -> None:
    """What a person will read is one line with something in it."""
    assert text
    assert "\n" not in text


def read_image(content) -> bool:
    """Whether it could be decoded."""
    try:
        image, _ = decode(content, SIZE, (6, 6))
        assert image.shape == (*SIZE, 3)
        return True
    except MemoryError:
        raise
    except Exception as error:
        check_line(reason(error))
        return False


@pytest.fixture(params=[pytest.param(120, id="few"), pytest.param(2500, id="many", marks=pytest.mark.slow)])
def rounds(request):
    """How many mutations of one kind of file; four kinds at 2,500 make 10,000."""
    return request.param


def fuzz(files, rounds, read):
    """Give ``read`` mutations of ``files``; returns how many it read and how many it refused."""
    rng, results = np.random.default_rng(0), [0, 0]
    for k in range(rounds):
        content, started = mutate(files[k % len(files)], rng), time.monotonic()
        try:
            read(content)
            results[0] += 1
        except TinyganError as error:
            check_line(str(error))
            results[1] += 1
        assert time.monotonic() - started < SECONDS
    return results


def test_image_files(rounds):
    decoded = []
    with quiet_decoders():
        fuzz(image_files(), rounds, lambda content: decoded.append(read_image(content)))
    assert len(decoded) == rounds
    assert rounds // 20 < sum(decoded) < rounds - rounds // 20  # some of both


def test_cifar10_batches(rounds, tiny):
    python, binary = next(iter(tiny.python.values())), next(iter(tiny.binary.values()))
    # The pixels are most of a batch and any value of theirs is right: change its ends, where the structure is.
    ends = python[:200] + python[-150:]

    def read(content):
        cifar10.parse_python(content[:-150] + python[200:-150] + content[-150:], Path("batch"))

    assert fuzz([ends], rounds // 2, read)[1] > rounds // 8
    fuzz([binary, python], rounds - rounds // 2, lambda content: cifar10.parse_binary(content, Path("batch")))


def test_archives(rounds, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for k, name in enumerate(("a/1.jpg", "a/2.png", "b/3.jpg")):
            archive.writestr(name, encoded(picture(k), "PNG"))
    path = tmp_path / "photos.zip"

    def read(content):
        path.write_bytes(content)
        source = ZipSource(path)
        items = source.list(tmp_path).items
        with source.reader() as one:
            for item in items:
                try:
                    read_image(one(item))
                except (MemoryError, AssertionError):
                    raise
                except Exception as error:
                    check_line(reason(error))

    read_some, refused = fuzz([buffer.getvalue()], rounds, read)
    assert read_some
    assert refused


def test_packed_sets_and_partitions(rounds, tmp_path):
    for name in "ab":
        write_pictures(tmp_path / "photos" / name, 20)
    prepare(FolderSource(tmp_path / "photos"), PackOptions("folder", SIZE), tmp_path / "set", 1)
    for name in ("dataset.json", "images.npy", "labels.npy", "names.txt", "train.npy"):
        content = (tmp_path / "set" / name).read_bytes()

        def read(content, name=name):
            (tmp_path / "set" / name).write_bytes(content)
            images = open_packed(tmp_path / "set")
            images.take(images.split.running)
            description = read_description(tmp_path / "set")
            assert all(printable(line).encode() for line in describe(tmp_path / "set", description))
            verify(tmp_path / "set", images)

        start, rest = (content[:128], content[128:]) if name == "images.npy" else (content, b"")
        fuzz([start], rounds // 6, lambda part, rest=rest: read(part + rest))
        (tmp_path / "set" / name).write_bytes(content)

    lines = "".join(f"{name} {k % 3}\n" for k, name in enumerate(NAMES)).encode()

    def read_lines(content):
        (tmp_path / "list.txt").write_bytes(content)
        read_partition(tmp_path / "list.txt", NAMES)

    assert fuzz([lines], rounds // 6, read_lines)[1]


@pytest.mark.parametrize("rounds", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_databases(rounds, tmp_path):
    # The library that reads them may crash: in worker processes, of which the preparation says so in one line.
    lsun_database(tmp_path / "db", [encoded(picture(k, 40, 40), "JPEG") for k in range(60)])
    file, rng = tmp_path / "db" / "data.mdb", np.random.default_rng(1)
    good = file.read_bytes()
    for k in range(rounds):
        content = bytearray(good)
        for at in rng.integers(8192 * (k % 3 > 0), len(good), 40):  # half of them where pages keep headers and pointers
            content[at - at % (4096 if rng.integers(2) else 1) + int(rng.integers(24))] = int(rng.integers(256))
        file.write_bytes(content)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        try:
            prepare(LmdbSource(tmp_path / "db"), PackOptions("lsun", SIZE, max_skipped=1.0), tmp_path / "out", 1)
        except TinyganError as error:
            check_line(str(error))
