"""LSUN's database: packed like a folder of the same images; never trusted."""

import io

import numpy as np
import pytest

from tests.data.conftest import encoded, lsun_database, picture, write_pictures
from tinygan.data.decode import decode
from tinygan.data.packed import open_packed
from tinygan.dataprep.finish import PackOptions
from tinygan.dataprep.prepare import prepare
from tinygan.dataprep.sources import lsun
from tinygan.dataprep.sources.choose import choose
from tinygan.dataprep.sources.files import FolderSource
from tinygan.dataprep.sources.lsun import LmdbSource
from tinygan.errors import TinyganError

SIZE = (8, 8)
WISHES = PackOptions("lsun", SIZE)


def values(count):
    """JPEG and WebP files in turn, shorter side 16."""
    return [encoded(picture(k, 16, 20), ("JPEG", "WEBP")[k % 2]) for k in range(count)]


@pytest.fixture
def database(tmp_path):
    folder = tmp_path / "lsun" / "bedroom_train_lmdb"
    return folder, dict(zip(lsun_database(folder, values(30)), values(30), strict=True))


def test_jpeg_and_webp_values_in_the_order_of_the_keys(database, tmp_path):
    folder, content = database
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    source, _ = choose("lsun", folder, tmp_path / "out")
    prepare(source, WISHES, tmp_path / "out", 1)
    images = open_packed(tmp_path / "out")
    assert np.array_equal(images.images, [decode(content[key], SIZE, None)[0] for key in sorted(content)])
    assert (tmp_path / "out" / "names.txt").read_text().split() == [key.decode() for key in sorted(content)]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert not (tmp_path / "out" / "unfinished").exists()


def test_the_folder_above_is_refused_and_the_file_inside_understood(database, tmp_path):
    folder, _ = database
    with pytest.raises(TinyganError, match=r"is the folder above the database; name one of: .*bedroom_train_lmdb"):
        choose("lsun", folder.parent, tmp_path / "out")
    assert choose("lsun", folder / "data.mdb", tmp_path / "out")[0] == LmdbSource(folder)


def test_exported_images_are_a_folder(tmp_path):
    write_pictures(tmp_path / "exported", 3, ".webp")
    assert choose("lsun", tmp_path / "exported", tmp_path / "out")[0] == FolderSource(tmp_path / "exported", False)


def test_without_the_package(database, tmp_path, monkeypatch):
    monkeypatch.setattr(lsun.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TinyganError, match=r'needs the package lmdb: .*pip install -e "\.\[lsun\]"'):
        prepare(LmdbSource(database[0]), WISHES, tmp_path / "out", 1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda old: old[: len(old) // 2], r"no whole LSUN database \(.* bytes are there\)"),
        (lambda old: b"", "no whole LSUN database"),
        (lambda old: b"no database" * 1000, r"no whole LSUN database \(.*(MDB_INVALID|not an LMDB)"),
        (lambda old: old[:8192] + bytes(len(old) - 8192), "no whole LSUN database"),
    ],
)
def test_a_damaged_database_is_refused(database, tmp_path, content, message):
    file = database[0] / "data.mdb"
    file.write_bytes(content(file.read_bytes()))
    with pytest.raises(TinyganError, match=message):
        prepare(LmdbSource(database[0]), WISHES, tmp_path / "out", 1)
    assert not (tmp_path / "out").exists()


def test_a_value_that_is_no_image_is_skipped_by_its_key(tmp_path):
    keys = lsun_database(tmp_path / "db", [*values(9), b"no image"])
    said = prepare(LmdbSource(tmp_path / "db"), PackOptions("lsun", SIZE, max_skipped=0.1), tmp_path / "out", 1)
    assert said["skipped"] == [[keys[9].decode(), "no readable JPEG, PNG, WebP or BMP"]]


def test_an_empty_database_is_refused(tmp_path):
    lsun_database(tmp_path / "db", [])
    with pytest.raises(TinyganError, match="0 images are there"):
        prepare(LmdbSource(tmp_path / "db"), WISHES, tmp_path / "out", 1)


def test_the_list_of_keys_is_kept_and_belongs_to_its_database(database, tmp_path):
    folder, content = database
    state = lsun.list_keys(folder, tmp_path)
    assert np.load(tmp_path / "keys.npy").tolist() == sorted(content)
    made = (tmp_path / "keys.npy").stat().st_ino
    assert lsun.list_keys(folder, tmp_path) == state
    assert (tmp_path / "keys.npy").stat().st_ino == made
    other = tmp_path / "other"
    lsun_database(other, values(31))
    assert lsun.list_keys(other, tmp_path) != state
    assert len(np.load(io.BytesIO((tmp_path / "keys.npy").read_bytes()))) == 31


@pytest.mark.parametrize(
    ("file", "content"),
    [("keys.json", b""), ("keys.json", b"{}"), ("keys.json", b"[" * 9999), ("keys.npy", b""), ("keys.npy", None)],
)
def test_a_damaged_list_of_keys_is_made_anew(database, tmp_path, file, content):
    folder, _ = database
    source = LmdbSource(folder)
    whole = source.list(tmp_path)
    whole = np.array(whole.items), whole.fingerprint
    path = tmp_path / file
    path.write_bytes(path.read_bytes()[:-1] + b"?" if content is None else content)  # None: a key's last character
    again = source.list(tmp_path)
    assert np.array_equal(again.items, whole[0])
    assert again.fingerprint == whole[1]
