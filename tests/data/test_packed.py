"""The packed format: opened at once, the same images in the same split as unpacked, and never when damaged."""

import json
import os
import shutil

import numpy as np
import pytest

from tests.data.conftest import write_pictures
from tinygan import data
from tinygan.data.packed import header, is_packed, open_packed, read_description
from tinygan.data.split import split
from tinygan.dataprep.describe import describe, verify
from tinygan.dataprep.finish import PackOptions
from tinygan.dataprep.prepare import prepare
from tinygan.dataprep.sources.files import FolderSource
from tinygan.errors import TinyganError, UsageError

SIZE = (8, 6)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A packed set of 60 images in two classes, made once."""
    home = tmp_path_factory.mktemp("packed")
    write_pictures(home / "photos" / "a", 25)
    write_pictures(home / "photos" / "b", 35, ".bmp")
    prepare(FolderSource(home / "photos"), PackOptions("folder", SIZE), home / "set", processes=1)
    return home


@pytest.fixture
def copy(made, tmp_path):
    """A copy that a test may damage."""
    return shutil.copytree(made / "set", tmp_path / "set")


def test_it_is_what_the_unpacked_folder_is(made):
    packed = data.load("folder", made / "set", SIZE)
    unpacked = data.load("folder", made / "photos", SIZE)
    assert np.array_equal(packed.images, unpacked.images)
    assert packed.fingerprint() == unpacked.fingerprint()
    for ours, theirs in zip(packed.split, unpacked.split, strict=True):
        assert np.array_equal(ours, theirs)
    assert packed.labels.tolist() == [0] * 25 + [1] * 35
    assert packed.name == "folder"


def test_numpy_reads_it_too(made):
    images = np.load(made / "set" / "images.npy")
    assert np.array_equal(images, data.load("folder", made / "photos", SIZE).images)
    assert np.load(made / "set" / "labels.npy").tolist() == [0] * 25 + [1] * 35
    assert len(header((10**9, 512, 512, 3))) == 128


def test_what_is_said_of_it_is_true(made):
    said = json.loads((made / "set" / "dataset.json").read_text())
    images = np.load(made / "set" / "images.npy") / 255
    np.testing.assert_allclose(said["mean"], images.mean(axis=(0, 1, 2)), atol=1e-6)
    np.testing.assert_allclose(said["std"], images.std(axis=(0, 1, 2)), atol=1e-6)
    assert said["classes"] == {"a": 25, "b": 35}
    names = (made / "set" / "names.txt").read_text().splitlines()
    parts = split(60)
    assert said["split"]["running"] == {names[row]: row for row in parts.running}
    assert said["split"]["final"] == {names[row]: row for row in parts.final}
    assert names[0] == "a/000.png"
    assert names[25] == "b/000.bmp"
    text = "\n".join(describe(made / "set", said))
    assert "60 images of 6x8" in text
    assert "51 train, 3 running test (200 wanted" in text
    verify(made / "set", open_packed(made / "set"))


def damage(path, content):
    path.write_bytes(content(path.read_bytes()))


def changed(**fields):
    return lambda text: json.dumps(json.loads(text) | fields).encode()


def without(values, name):
    return {key: value for key, value in values.items() if key != name}


def changed_split(**fields):
    return lambda text: changed(split=json.loads(text)["split"] | fields)(text)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("images.npy", lambda old: old[:-1]),
        ("images.npy", lambda old: old + b"x"),
        ("images.npy", lambda old: b"\0" * 128 + old[128:]),
        ("images.npy", lambda old: b""),
        ("labels.npy", lambda old: old[:-8]),
        ("labels.npy", lambda old: b""),
        ("dataset.json", lambda old: old[:-5]),
        ("dataset.json", changed(format="tinygan packed images 9x")),
        ("dataset.json", changed(count=0)),
        ("dataset.json", changed(count="60")),
        ("dataset.json", changed(height=True)),
        ("dataset.json", changed(crop=["a", 2])),
        ("dataset.json", changed(dataset=None)),
        ("dataset.json", changed(split={})),
        ("dataset.json", changed_split(running=[1])),
        ("dataset.json", changed_split(running={"a": 60})),
        ("dataset.json", changed_split(running={"a": -1})),
        ("dataset.json", changed_split(running={"a": 10**30})),
        ("dataset.json", changed_split(running={"a": 1, "b": 1})),
        ("dataset.json", changed_split(train=None)),
        ("dataset.json", changed_split(train="fifty")),
        ("dataset.json", changed_split(running="none")),
        ("dataset.json", changed(skipped=["a"])),
        ("dataset.json", changed(mean=[0.5, 0.5])),
        ("dataset.json", changed(source="photos")),
        ("dataset.json", changed(classes=[])),
        ("train.npy", lambda old: old[:-8]),
        ("train.npy", lambda old: b""),
        ("train.npy", lambda old: old[:128] + old[-8:] + old[136:-8] + old[128:136]),  # two in each other's place
        ("labels.npy", lambda old: old[:128] + old[-8:] + old[136:-8] + old[128:136]),
        ("labels.npy", lambda old: old[:-8] + b"\x01\0\0\0\0\0\0\x80"),
        ("labels.npy", lambda old: old[:-8] + (2).to_bytes(8, "little")),
    ],
)
def test_damage_is_one_line(copy, file, content):
    damage(copy / file, content)
    with pytest.raises(TinyganError, match=rf"set/{file} is damaged \(.*; delete the folder and prepare it again"):
        open_packed(copy)


def test_a_set_of_a_newer_format_is_not_called_damaged(copy):
    """Nobody is told to delete it."""
    damage(copy / "dataset.json", changed(format="tinygan packed images 2"))
    with pytest.raises(TinyganError, match=r"dataset.json was written by a newer tinygan \(.* 2\): update it"):
        open_packed(copy)


def test_another_split_than_was_packed_is_one_line(copy):
    """Its fingerprint would be that of the old one: runs would pass for tested on the same images."""
    stored = json.loads((copy / "dataset.json").read_text())["split"]
    final = dict(list(stored["final"].items())[1:])  # an image less to be tested on
    for change in ({"final": final}, {"running": dict(reversed(stored["running"].items()))}):
        damage(copy / "dataset.json", changed_split(**change))
        with pytest.raises(TinyganError, match=r"train.npy is damaged \(it or the split in dataset.json is not what"):
            open_packed(copy)
        damage(copy / "dataset.json", changed_split(**stored))
    damage(copy / "dataset.json", changed(fingerprint="sha256:0"))
    with pytest.raises(TinyganError, match="is not what was packed"):
        open_packed(copy)


def test_a_set_without_check_sums_opens_and_says_what_was_not_compared(copy):
    assert verify(copy, open_packed(copy)).startswith("pixels, statistics, names, labels and split are")
    damage(copy / "dataset.json", lambda text: json.dumps(without(json.loads(text), "checksums")).encode())
    assert verify(copy, open_packed(copy)).endswith("this older set has no check sum of labels")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize("name", ["dataset.json", "names.txt", "images.npy", "train.npy", "labels.npy"])
def test_a_pipe_or_folder_in_a_files_place_is_one_line(copy, name, make):
    (copy / name).unlink()
    make(copy / name)
    with pytest.raises(TinyganError, match=rf"{name}|is no packed set"):
        verify(copy, open_packed(copy))


def test_a_count_that_the_images_do_not_have_is_one_line(copy):
    damage(copy / "dataset.json", changed(count=61))
    with pytest.raises(TinyganError, match=r"images.npy is damaged \(it does not begin as an array of shape \(61, 8"):
        open_packed(copy)


def test_a_training_image_that_is_tested_or_not_there_is_one_line(copy):
    for row, what in ((next(iter(open_packed(copy).split.final)), "twice"), (60, "not there"), (-1, "not there")):
        damage(copy / "train.npy", lambda old, row=row: old[:-8] + int(row).to_bytes(8, "little", signed=True))
        with pytest.raises(TinyganError, match=rf"dataset.json is damaged \(split: the split uses an image.* {what}"):
            open_packed(copy)


def test_a_missing_file_is_one_line(copy):
    (copy / "images.npy").unlink()
    with pytest.raises(TinyganError, match=r"images.npy is damaged \(it is missing\)"):
        open_packed(copy)
    (copy / "dataset.json").unlink()
    with pytest.raises(TinyganError, match=r"is no packed set: it has no dataset.json"):
        read_description(copy)


def test_a_summary_of_several_lines_is_one_line(copy):
    damage(copy / "dataset.json", changed(summary="a\nb\x1b[31m"))
    assert open_packed(copy).source.startswith(r"a\nb\x1b[31m, packed in ")


def flip_pixel(content):
    return content[:1000] + bytes([content[1000] ^ 1]) + content[1001:]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("images.npy", flip_pixel, "images.npy: its check sum"),
        ("names.txt", lambda old: old.replace(b"000.png", b"00x.png", 1), "names"),
        ("names.txt", lambda old: old + b"one more\n", "61 names"),
        ("dataset.json", changed(mean=[0.5, 0.5, 0.5]), "mean or std"),
        ("names.txt", lambda old: old.replace(b"a/", b"c/", 1), "its check sum"),
    ],
)
def test_verify_finds_what_opening_does_not(copy, file, content, message):
    if message == "names":  # only the test images' names are known
        row = next(iter(json.loads((copy / "dataset.json").read_text())["split"]["final"]))
        damage(copy / file, lambda old: old.replace(row.encode(), b"other", 1))
        message = "the test images' names"
    else:
        damage(copy / file, content)
    images = open_packed(copy)
    with pytest.raises(TinyganError, match=f"{message}.* is not what was packed"):
        verify(copy, images)


def test_sizes_that_do_not_fit(made):
    with pytest.raises(UsageError, match="holds images of 6x8, too small for --image-size 16x8"):
        open_packed(made / "set", (8, 16))
    with pytest.raises(UsageError, match="packed with another crop than --crop-size 4x4"):
        open_packed(made / "set", SIZE, (4, 4))
    with pytest.raises(UsageError, match="holds folder, not celeba: leave --dataset out"):
        data.load("celeba", made / "set", SIZE)


def test_windows_are_taken_from_the_centre(made):
    images = open_packed(made / "set", (4, 2))
    assert images.images.shape == (60, 8, 6, 3)
    assert np.array_equal(images.take(np.array([7, 3])), images.images[[7, 3], 2:6, 2:4])
    assert images.fingerprint() == open_packed(made / "set").fingerprint()


def test_an_unfinished_set_is_named(tmp_path):
    assert not is_packed(tmp_path)
    (tmp_path / "unfinished").mkdir()
    with pytest.raises(TinyganError, match=r"not finished: give the same data_prep.py command again"):
        data.load("folder", tmp_path, SIZE)
