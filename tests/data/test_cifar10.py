import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.conftest import RECORDS
from tinygan.data import cifar10
from tinygan.errors import TinyganError


@pytest.mark.parametrize("form", ["binary", "python"])
def test_one_batch(tiny, form):
    version, (name, *_) = getattr(cifar10, form.upper()), getattr(tiny, form)
    images, labels = version.parse(getattr(tiny, form)[name], Path(name))
    assert np.array_equal(images, tiny.images[:RECORDS])
    assert np.array_equal(labels, tiny.labels[:RECORDS])
    assert labels.dtype == np.int64


def test_planes_are_red_green_blue_row_by_row(tiny):
    record = bytearray(1 + 3072)
    record[0] = 7
    record[1 + 1024 + 32 * 5 + 9] = 200  # second plane, row 5, column 9
    images, labels = cifar10.parse_binary(bytes(record) * RECORDS, Path("batch"))
    assert images[2, 5, 9].tolist() == [0, 200, 0]
    assert images[2].sum() == 200
    assert labels.tolist() == [7] * RECORDS


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c + b"\0", lambda c: b""])
def test_binary_of_the_wrong_size(tiny, change):
    content = change(tiny.binary["data_batch_1.bin"])
    with pytest.raises(TinyganError, match=f"^batch has {len(content)} bytes, not 12292; "):
        cifar10.parse_binary(content, Path("batch"))


def test_binary_label_out_of_range(tiny):
    content = bytearray(tiny.binary["data_batch_1.bin"])
    content[2 * 3073] = 10
    with pytest.raises(TinyganError, match=r"^batch: the label of image 2 is outside 0 to 9"):
        cifar10.parse_binary(bytes(content), Path("batch"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({b"data": None}, "'data' must be uint8"),
        ({b"data": b"x" * 3072 * RECORDS}, "'data' must be uint8 .* not bytes"),
        ({b"data": np.zeros((RECORDS, 3071), np.uint8)}, r"not uint8 \(4, 3071\)"),
        ({b"data": np.zeros((RECORDS - 1, 3072), np.uint8)}, r"not uint8 \(3, 3072\)"),
        ({b"data": np.zeros((RECORDS, 32, 32, 3), np.uint8)}, "'data' must be uint8"),
        ({b"data": np.zeros((RECORDS, 3072), np.int8)}, "'u1'"),
        ({b"labels": None}, "'labels' must be a list of 4 integers"),
        ({b"labels": [1, 2, 3]}, "'labels' must be a list of 4 integers"),
        ({b"labels": [1, 2, 3, 4.0]}, "'labels' must be a list of 4 integers"),
        ({b"labels": [1, 2, 3, True]}, "'labels' must be a list of 4 integers"),
        ({b"labels": [1, 10, 3, 4]}, "label of image 1 is outside"),
        ({b"labels": [1, 2, -1, 4]}, "label of image 2 is outside"),
        ({b"labels": [1, 2, 3, 10**100]}, "label of image 3 is outside"),
    ],
)
def test_python_with_a_wrong_entry(tiny, pickled, change, message):
    batch = {b"data": np.zeros((RECORDS, 3072), np.uint8), b"labels": [1, 2, 3, 4]}
    cifar10.parse_python(pickled(batch), Path("batch"))
    with pytest.raises(TinyganError, match=f"^batch.*{message}"):
        cifar10.parse_python(pickled(batch | change), Path("batch"))


@pytest.mark.parametrize("key", [b"data", b"labels"])
def test_python_without_an_entry(tiny, pickled, key):
    batch = {b"data": np.zeros((RECORDS, 3072), np.uint8), b"labels": [1, 2, 3, 4]}
    del batch[key]
    with pytest.raises(TinyganError, match=f"'{key.decode()}' must be"):
        cifar10.parse_python(pickled(batch), Path("batch"))


def is_all_of(images, tiny):
    assert np.array_equal(images.images, tiny.images)
    assert np.array_equal(images.labels, tiny.labels)
    assert images.images.flags.c_contiguous
    assert images.name == "cifar10"
    return True


@pytest.mark.parametrize("version", ["BINARY", "PYTHON"])
def test_all_the_places_where_it_may_be(tiny, tmp_path, version):
    files, form = getattr(tiny, version.lower()), getattr(cifar10, version)
    folder = tiny.write(tmp_path / "unpacked" / form.folder, files)
    assert is_all_of(cifar10.load(folder.parent), tiny)
    assert is_all_of(cifar10.load(folder), tiny)
    renamed = folder.rename(tmp_path / "another name")
    assert is_all_of(cifar10.load(renamed), tiny)
    (tmp_path / "packed").mkdir()
    archive = tmp_path / "packed" / form.archive
    archive.write_bytes(tiny.register(version, tiny.archive(version)))
    assert is_all_of(cifar10.load(archive.parent), tiny)
    assert is_all_of(cifar10.load(archive), tiny)
    assert list(archive.parent.iterdir()) == [archive]  # nothing was unpacked
    assert str(archive) in cifar10.load(archive).source


def test_order_of_the_files_in_the_archive_does_not_matter(tiny, tmp_path):
    members = {f"{cifar10.BINARY.folder}/{name}": content for name, content in reversed(tiny.binary.items())}
    archive = tmp_path / cifar10.BINARY.archive
    archive.write_bytes(tiny.register("BINARY", tiny.tar_of(members)))
    assert is_all_of(cifar10.load(archive), tiny)


def test_nothing_there_says_what_was_looked_for(tmp_path):
    for place in (tmp_path, tmp_path / "not there", tmp_path / "other.tar.gz"):
        with pytest.raises(TinyganError) as caught:
            cifar10.load(place)
        for expected in (
            f"no CIFAR-10 at {place}:", "cifar-10-binary.tar.gz", "cifar-10-python.tar.gz",
            "cifar-10-batches-bin/", "cifar-10-batches-py/", "name no folder", "162 MB",
        ):  # fmt: skip
            assert expected in str(caught.value)
        (tmp_path / "other.tar.gz").write_bytes(b"something else")


def test_a_folder_of_images_instead_is_told_by_the_option_that_reads_it(tmp_path):
    Image.new("RGB", (32, 32)).save(tmp_path / "cat.png")
    with pytest.raises(TinyganError, match=r"it holds image files: add --dataset folder to read them$"):
        cifar10.load(tmp_path)


@pytest.mark.parametrize("version", ["BINARY", "PYTHON"])
def test_missing_batch_file_is_named(tiny, tmp_path, version):
    files, form = dict(getattr(tiny, version.lower())), getattr(cifar10, version)
    del files[form.batches[3]]
    folder = tiny.write(tmp_path / form.folder, files)
    with pytest.raises(TinyganError, match=f"{form.folder} lacks {form.batches[3]}; unpack"):
        cifar10.load(folder)
    archive = tmp_path / form.archive
    members = {f"{form.folder}/{name}": content for name, content in files.items()}
    archive.write_bytes(tiny.register(version, tiny.tar_of(members)))
    with pytest.raises(TinyganError, match=f"{form.archive} lacks {form.batches[3]}; "):
        cifar10.load(archive)


def test_empty_batch_folder_lacks_the_first_file(tmp_path):
    (tmp_path / "cifar-10-batches-bin").mkdir()
    with pytest.raises(TinyganError, match=r"cifar-10-batches-bin lacks data_batch_1\.bin"):
        cifar10.load(tmp_path)


@pytest.mark.parametrize("version", ["BINARY", "PYTHON"])
def test_truncated_batch_file_is_named(tiny, tmp_path, version):
    files, form = dict(getattr(tiny, version.lower())), getattr(cifar10, version)
    files[form.batches[1]] = files[form.batches[1]][:-100]
    folder = tiny.write(tmp_path / form.folder, files)
    with pytest.raises(TinyganError, match=f"{form.folder}/{form.batches[1]} "):
        cifar10.load(folder)


def test_far_too_large_batch_file_is_not_read(tiny, tmp_path):
    folder = tiny.write(tmp_path / "cifar-10-batches-bin", tiny.binary)
    os.truncate(folder / "data_batch_2.bin", cifar10.LARGEST_BATCH + 1)
    with pytest.raises(TinyganError, match=r"data_batch_2\.bin has 67108865 bytes, far more"):
        cifar10.load(folder)


def test_pickle_in_the_folder_that_wants_to_run_code(tiny, tmp_path):
    class Attack:
        def __reduce__(self):
            return os.system, (f"echo > '{tmp_path / 'it-ran'}'",)

    files = tiny.python | {"data_batch_4": pickle.dumps({b"data": Attack()}, 2)}
    folder = tiny.write(tmp_path / "cifar-10-batches-py", files)
    with pytest.raises(TinyganError, match=r"data_batch_4 is a pickle that asks for \w+\.system"):
        cifar10.load(folder)
    assert not (tmp_path / "it-ran").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: b"<html><body>Too many requests</body></html>", "web page"),
        (lambda content: content[: len(content) // 2], "truncated"),
        (lambda content: content[:-1] + b"x", "another SHA-256"),
    ],
)
@pytest.mark.parametrize("version", ["BINARY", "PYTHON"])
def test_damaged_archive_is_never_parsed(tiny, tmp_path, monkeypatch, damage, message, version):
    archive = tmp_path / getattr(cifar10, version).archive
    archive.write_bytes(damage(tiny.register(version, tiny.archive(version))))
    monkeypatch.setattr(cifar10.tarfile, "open", lambda *_: pytest.fail("the archive was opened"))
    with pytest.raises(TinyganError, match=message) as caught:
        cifar10.load(tmp_path)
    assert str(archive) in str(caught.value)


def hostile_members():
    outside = tarfile.TarInfo("../../outside.bin")
    absolute = tarfile.TarInfo("/tmp/tinygan-absolute.bin")
    for info in (outside, absolute):
        info.size = 5
    link = tarfile.TarInfo("cifar-10-batches-bin/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    through_link = tarfile.TarInfo("cifar-10-batches-bin/link/file")
    through_link.size = 5
    device = tarfile.TarInfo("cifar-10-batches-bin/device")
    device.type = tarfile.CHRTYPE
    return outside, absolute, link, through_link, device


def test_hostile_members_of_an_archive_are_ignored(tiny, tmp_path):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    archive = folder / cifar10.BINARY.archive
    archive.write_bytes(tiny.register("BINARY", tiny.archive("BINARY", hostile_members())))
    assert is_all_of(cifar10.load(folder), tiny)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [archive]
    assert not Path("/tmp/tinygan-absolute.bin").exists()


def test_link_in_place_of_a_batch_is_not_followed(tiny, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(tiny.binary["data_batch_1.bin"])
    link = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
    link.type, link.linkname = tarfile.SYMTYPE, str(secret)
    members = {f"{cifar10.BINARY.folder}/{name}": content for name, content in tiny.binary.items()}
    del members[link.name]
    archive = tmp_path / cifar10.BINARY.archive
    archive.write_bytes(tiny.register("BINARY", tiny.tar_of(members, (link,))))
    with pytest.raises(TinyganError, match=r"lacks data_batch_1\.bin"):
        cifar10.load(archive)


def test_without_data_dir_it_is_downloaded_once(tiny, tmp_path, monkeypatch):
    content = tiny.register("BINARY", tiny.archive("BINARY"))
    calls = []

    def fake_download(url, path, length, sha256):
        calls.append((url, path, length, sha256))
        path.parent.mkdir(parents=True)
        path.write_bytes(content)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cifar10, "download", fake_download)
    assert is_all_of(cifar10.load(), tiny)
    assert is_all_of(cifar10.load(None), tiny)
    url, path = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", Path("data/cifar10/cifar-10-binary.tar.gz")
    assert calls == [(url, path, len(content), cifar10.BINARY.sha256)]


def test_without_data_dir_what_is_there_is_used(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cifar10, "download", lambda *_: pytest.fail("downloaded"))
    tiny.write(tmp_path / "data" / "cifar10" / "cifar-10-batches-py", tiny.python)
    assert is_all_of(cifar10.load(), tiny)


def test_given_folder_never_downloads(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10, "download", lambda *_: pytest.fail("downloaded"))
    with pytest.raises(TinyganError):
        cifar10.load(tmp_path)


@pytest.mark.skipif("TINYGAN_DATA" not in os.environ, reason="TINYGAN_DATA names no folder with the real CIFAR-10")
def test_the_real_one():
    images = cifar10.load(Path(os.environ["TINYGAN_DATA"]))
    assert images.images.shape == (60_000, 32, 32, 3)
    assert np.bincount(images.labels).tolist() == [6000] * 10
    assert np.bincount(images.labels[:50_000]).tolist() == [5000] * 10  # training files first
    # The known means of the training images (0.4914, 0.4822, 0.4465): planes and rows are where they belong.
    means = images.images[:50_000].mean(axis=(0, 1, 2)) / 255
    assert np.abs(means - [0.4914, 0.4822, 0.4465]).max() < 0.002
    # Neighbouring pixels of a photograph are more alike, in both directions, than pixels far apart.
    some = images.images[:1000].astype(float)
    far = np.abs(some[:, 16:] - some[:, :16]).mean()
    assert np.abs(np.diff(some, axis=1)).mean() < far / 3
    assert np.abs(np.diff(some, axis=2)).mean() < far / 3
