"""The official partition, and the split as it is stored."""

import json

import numpy as np
import pytest

from tests.data.conftest import picture
from tinygan.data.imageset import ImageSet
from tinygan.data.packed import open_packed
from tinygan.data.split import Split, split, split_from_json, split_to_json
from tinygan.dataprep.describe import describe
from tinygan.dataprep.finish import PackOptions
from tinygan.dataprep.partition import read_partition
from tinygan.dataprep.prepare import prepare
from tinygan.dataprep.sources.files import FolderSource
from tinygan.errors import TinyganError, UsageError

CODES = [0] * 20 + [1] * 6 + [2] * 7
NAMES = [f"{k + 1:06d}.jpg" for k in range(len(CODES))]


@pytest.fixture
def faces(tmp_path):
    folder = tmp_path / "img_align_celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    for k, name in enumerate(NAMES):
        picture(k).save(folder / name, quality=95)
    return folder.parent


@pytest.fixture
def partition(tmp_path):
    file = tmp_path / "list_eval_partition.txt"
    file.write_text("".join(f"{name} {code}\n" for name, code in zip(NAMES, CODES, strict=True)))
    return file


def test_all_of_the_official_training_set_and_nothing_else_trains(faces, partition, tmp_path):
    wishes = PackOptions("celeba", (8, 8), running=4, final=5, partition=partition)
    said = prepare(FolderSource(faces, False), wishes, tmp_path / "out", 1)
    parts = open_packed(tmp_path / "out").split
    assert sorted(parts.train) == list(range(20))
    assert set(parts.running) < set(range(20, 26))
    assert set(parts.final) < set(range(26, 33))
    assert [len(part) for part in parts] == [20, 4, 5]
    assert said["split"]["partition"] == "list_eval_partition.txt"
    assert "not used: 4 images of the official validation and test sets" in describe(tmp_path / "out", said)
    assert said["fingerprint"] != said["pixels"]  # a run on it is not one on the usual split
    usual = prepare(FolderSource(faces, False), PackOptions("celeba", (8, 8)), tmp_path / "usual", 1)
    assert usual["fingerprint"] == usual["pixels"] == said["pixels"]


def test_skipped_images_do_not_shift_the_partition(faces, partition, tmp_path):
    (faces / "img_align_celeba" / NAMES[3]).write_bytes(b"broken")
    wishes = PackOptions("celeba", (8, 8), partition=partition, max_skipped=0.1)
    prepare(FolderSource(faces, False), wishes, tmp_path / "out", 1)
    parts = open_packed(tmp_path / "out").split
    assert sorted(parts.train) == list(range(19))
    assert sorted(parts.final) == list(range(25, 32))


def test_kaggles_csv_says_the_same(partition, tmp_path):
    csv = tmp_path / "list_eval_partition.csv"
    csv.write_text("image_id,partition\n" + partition.read_text().replace(" ", ","))
    assert read_partition(csv, NAMES).tolist() == read_partition(partition, NAMES).tolist() == CODES


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-with-mark", "utf-16-be-with-mark"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [" ", "\t", ",", ";", '","'])
@pytest.mark.parametrize("header", [False, True])
def test_saved_by_any_editor_or_spreadsheet_it_says_the_same(tmp_path, encoding, line_end, separator, header):
    quote = '"' if separator == '","' else ""
    rows = [("image_id", "partition")] * header + list(zip(NAMES, map(str, CODES), strict=True))
    text = "".join(quote + separator.join(row) + quote + line_end for row in rows)
    mark = "\ufeff" if encoding.endswith("-with-mark") else ""
    (tmp_path / "list").write_bytes((mark + text).encode(encoding.removesuffix("-with-mark")))
    assert read_partition(tmp_path / "list", NAMES).tolist() == CODES


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("000001.jpg 3\n", r"line 1 is '000001.jpg 3'"),
        ("000001.jpg 0\n000001.jpg 1\n", "line 2 is"),
        ("<html>quota</html>\n", "line 1 is '<html>quota</html>', not an image's name"),
    ],
)
def test_what_is_no_partition_is_refused(tmp_path, content, message):
    (tmp_path / "p.txt").write_text(content)
    with pytest.raises(TinyganError, match=message):
        read_partition(tmp_path / "p.txt", NAMES)


def test_a_partition_of_other_images_or_of_no_text_is_refused(partition, tmp_path):
    with pytest.raises(UsageError, match=r"says nothing about 999999.jpg: it belongs to other images"):
        read_partition(partition, ["a/000001.jpg", "a/999999.jpg"])
    for content in (b"\xff\xfe\x00", b"000001.jpg 0\n\xff", "Gr\u00f6\u00dfe.jpg 0".encode("latin1")):
        (tmp_path / "p.bin").write_bytes(content)
        with pytest.raises(TinyganError, match="is no text"):
            read_partition(tmp_path / "p.bin", NAMES)
    with pytest.raises(TinyganError, match=r"cannot be read \(No such file"):
        read_partition(tmp_path / "nowhere", NAMES)


@pytest.mark.parametrize("count", [1, 25, 3000])
@pytest.mark.parametrize("wanted", [(200, 2000), (3, 0)])
@pytest.mark.parametrize("partitioned", [False, True])
def test_a_stored_split_is_the_one_that_was_drawn(count, wanted, partitioned):
    codes = np.arange(count) % 3 if partitioned else None
    drawn = split(count, 7, *wanted, codes)
    stored = json.loads(json.dumps(split_to_json(drawn, 7, None, str)))
    for ours, theirs in zip(split_from_json(stored, drawn.train, count), drawn, strict=True):
        assert np.array_equal(ours, theirs)


def test_the_fingerprint_knows_the_split():
    images = np.zeros((40, 2, 2, 3), np.uint8)
    usual = ImageSet("folder", images, None, "x")
    same = ImageSet("folder", images, None, "x", split(40))
    other = ImageSet("folder", images, None, "x", split(40, seed=1))
    assert usual.fingerprint() == same.fingerprint() != other.fingerprint()


def test_the_fingerprint_knows_where_training_ends():
    rows = np.arange(40)
    parts = [Split(rows[:a], rows[a:b], rows[b:]) for a, b in ((30, 35), (31, 35), (30, 36), (30, 40))]
    images = np.zeros((40, 2, 2, 3), np.uint8)
    assert len({ImageSet("folder", images, None, "x", one).fingerprint() for one in parts}) == 4
