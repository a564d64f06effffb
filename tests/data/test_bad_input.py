"""Every kind of bad image or archive that users meet, made for real: converted and counted, skipped, or refused."""

import hashlib
import os
import re
import stat
import struct
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.conftest import encoded, picture, write_pictures
from tests.data.test_png import chunk
from tests.permissions import as_somebody
from tinygan.data import decode
from tinygan.data.packed import open_packed
from tinygan.dataprep.finish import PackOptions
from tinygan.dataprep.prepare import prepare
from tinygan.dataprep.sources import zipped as zipped_source
from tinygan.dataprep.sources.choose import choose as source_of
from tinygan.dataprep.sources.files import FolderSource
from tinygan.errors import TinyganError

SIZE = (8, 8)
ODD = "002.png"  # the one in question, beside 000.png, 001.png and 003.png


def png(width, height, depth, colour, rows):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def palette():
    image = Image.new("P", SIZE, 1)
    image.putpalette([10, 20, 30, 200, 100, 50])
    return image


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(picture(2), "PNG", exif=exif)


def animated(form):
    frames = [Image.new("RGB", SIZE, colour) for colour in ("red", "blue")]
    return encoded(frames[0], form, save_all=True, append_images=frames[1:], duration=10)


CONVERTED = {
    "CMYK": (encoded(Image.new("CMYK", SIZE, (0, 255, 255, 0)), "JPEG"), "CMYK", (255, 0, 0)),
    "16-bit grey": (encoded(Image.fromarray(np.full(SIZE, 40_000, np.uint16)), "PNG"), "16-bit", (156, 156, 156)),
    "palette": (encoded(palette(), "PNG"), "palette", (200, 100, 50)),
    "RGBA": (encoded(Image.new("RGBA", SIZE, (200, 100, 50, 0)), "PNG"), "transparency", (0, 0, 0)),
    "grey": (encoded(Image.new("L", SIZE, 90), "PNG"), "grey", (90, 90, 90)),
    "EXIF-rotated": (turned(), "EXIF orientation", np.rot90(np.asarray(picture(2)), -1)[4, 4]),
    "animated PNG": (animated("PNG"), "animation: first frame", (255, 0, 0)),
    "animated WebP": (animated("WEBP"), "animation: first frame", (255, 0, 0)),
    "smaller than wanted": (encoded(Image.new("RGB", (4, 9), (7, 8, 9)), "PNG"), "enlarged", (7, 8, 9)),
}
SKIPPED = {
    "truncated": (encoded(picture(2, 64, 64), "PNG")[:-2000], "truncated|broken|Truncated"),
    "truncated JPEG": (encoded(picture(2, 64, 64), "JPEG")[:-500], "truncated"),
    "zero-byte": (b"", "the file is empty"),
    "no image": (b"%PDF-1.7 no image", "no readable JPEG, PNG, WebP or BMP"),
    "web page": (b"<!doctype html>quota exceeded", "no readable JPEG"),
    "animated GIF": (animated("GIF"), "no readable JPEG"),
    "bomb": (png(40_000, 40_000, 8, 2, b""), "pixels"),
    "bomb that Pillow warns of": (png(10_000, 10_000, 8, 2, bytes(1000)), "10000x10000 pixels"),
    "bomb that Pillow allows": (png(8_000, 8_000, 8, 2, b""), "8000x8000 pixels are more than"),
    "lying PNG": (png(8, 8, 8, 2, b"too few"), "."),
}


@pytest.fixture
def photos(tmp_path):
    folder = write_pictures(tmp_path / "photos", 4)
    (folder / ODD).unlink()
    return folder


def pack(source, tmp_path, max_skipped=0.3, **wishes):
    """Prepare with one process; returns the description and the opened set, after looking for stray files."""
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "out")}
    said = prepare(source, PackOptions("folder", SIZE, max_skipped=max_skipped, **wishes), tmp_path / "out", 1)
    after = {path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "out")}
    assert after == before, "something was written outside --out"
    return said, open_packed(tmp_path / "out")


@pytest.mark.parametrize("kind", CONVERTED)
def test_converted_with_a_count(photos, tmp_path, kind):
    content, how, colour = CONVERTED[kind]
    (photos / ODD).write_bytes(content)
    said, images = pack(FolderSource(photos), tmp_path)
    assert [(phrase.startswith(how) or how in phrase, count) for phrase, count in said["converted"].items()] == [
        (True, 1)
    ]
    assert np.abs(images.images[2, 4, 4].astype(int) - colour).max() <= 1
    assert said["skipped"] == []


@pytest.mark.parametrize("kind", SKIPPED)
def test_skipped_and_listed(photos, tmp_path, kind):
    content, why = SKIPPED[kind]
    (photos / ODD).write_bytes(content)
    said, images = pack(FolderSource(photos), tmp_path)
    ((name, reason),) = said["skipped"]
    assert name == ODD
    assert re.search(why, reason)
    assert np.array_equal(images.images, [np.asarray(picture(k)) for k in (0, 1, 3)])
    with pytest.raises(TinyganError, match=rf"more than 0 of 4 images cannot be used, the first: {ODD}: "):
        prepare(FolderSource(photos), PackOptions("folder", SIZE), tmp_path / "other", 1)


def test_a_file_of_many_bytes_is_skipped(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "LARGEST_FILE", 500)
    (photos / ODD).write_bytes(encoded(picture(2, 20, 20), "BMP"))
    assert "the file has more than" in pack(FolderSource(photos), tmp_path)[0]["skipped"][0][1]


def test_smaller_than_the_crop(photos, tmp_path):
    for k in (0, 1, 3):
        picture(k, 20, 20).save(photos / f"{k:03d}.png")
    picture(2, 20, 9).save(photos / ODD)
    said, _ = pack(FolderSource(photos), tmp_path, crop=(10, 10))
    assert said["skipped"] == [[ODD, "the crop of 10x10 (height x width) does not fit into an image of 20x9; choose a "
                                "smaller crop or none"]]  # fmt: skip


def test_links_that_lead_outside(photos, tmp_path):
    picture(2).save(tmp_path / "secret.png")
    (photos / ODD).symlink_to(tmp_path / "secret.png")
    (photos / "004.png").symlink_to(photos / "000.png")
    (photos / "005.png").symlink_to(photos / "nowhere.png")
    said, images = pack(FolderSource(photos), tmp_path, max_skipped=0.4)
    assert said["skipped"] == [
        [ODD, "symbolic link that leads out of the folder"],
        ["005.png", "no file: a link to nowhere, or a pipe"],
    ]
    assert np.array_equal(images.images[3], np.asarray(picture(0)))


def test_linked_folders_are_read_once_or_listed(photos, tmp_path):
    write_pictures(photos / ".store", 2)
    write_pictures(tmp_path / "elsewhere", 2)
    for name, target in (("b", ".store"), ("c", ".store"), ("d", "."), ("e", "../elsewhere"), ("f", "f")):
        (photos / name).symlink_to(target)
    said, images = pack(FolderSource(photos), tmp_path, max_skipped=0.4)
    assert (tmp_path / "out" / "names.txt").read_text().split() == ["000.png", "001.png", "003.png", "b/000.png",
                                                                    "b/001.png"]  # fmt: skip
    assert said["skipped"] == [
        ["e", "symbolic link that leads out of the folder"],
        ["f", "no file: a link to nowhere, or a pipe"],
    ]
    assert said["left_out"] == ["2 links to folders whose images are read already (the first: c)"]
    assert len(images.images) == 5


def test_linked_classes_are_classes(tmp_path):
    for name in ("cats", "dogs"):
        write_pictures(tmp_path / "photos" / ".store" / name, 2)
        (tmp_path / "photos" / name).symlink_to(f".store/{name}")
    said, images = pack(FolderSource(tmp_path / "photos"), tmp_path)
    assert said["classes"] == {"cats": 2, "dogs": 2}
    assert images.labels.tolist() == [0, 0, 1, 1]


def test_a_source_or_a_target_that_is_a_link_to_itself_is_one_line(photos, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(TinyganError, match=r"--source .*loop does not exist"):
        prepare(FolderSource(tmp_path / "loop"), PackOptions("folder", SIZE), tmp_path / "out", 1)
    with pytest.raises(TinyganError, match=r"--out .*loop cannot be made"):
        prepare(FolderSource(photos), PackOptions("folder", SIZE), tmp_path / "loop", 1)


@pytest.fixture
def open_folder():
    """A folder that everybody may go into; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield Path(folder)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="the system has no file permissions of this kind")
def test_an_unreadable_file_and_an_unreadable_folder(open_folder):
    photos = write_pictures(open_folder / "photos", 4)
    (photos / ODD).chmod(0)
    with as_somebody():
        said = prepare(FolderSource(photos), PackOptions("folder", SIZE, max_skipped=0.3), open_folder / "out", 1)
    assert said["skipped"] == [[ODD, "Permission denied"]]
    (photos / "locked").mkdir(mode=0)
    with as_somebody(), pytest.raises(TinyganError, match=r"cannot read the folder .*locked \(Permission denied\)"):
        prepare(FolderSource(photos), PackOptions("folder", SIZE), open_folder / "out2", 1)
    (photos / "locked").rmdir()
    (open_folder / "closed").mkdir(mode=0)
    with as_somebody(), pytest.raises(TinyganError, match=r"--out .*out3 cannot be made \(Permission denied\)"):
        prepare(FolderSource(photos), PackOptions("folder", SIZE), open_folder / "closed" / "out3", 1)


def test_other_files_are_counted(photos, tmp_path):
    (photos / "Thumbs.db").write_bytes(b"x")
    (photos / "README").write_bytes(b"x")
    (photos / "._001.png").write_bytes(b"x")
    said, _ = pack(FolderSource(photos), tmp_path)
    assert said["left_out"] == ["2 files that are not named as images (1 .db, 1 without extension)"]


def test_an_empty_folder_and_no_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(TinyganError, match=r"no images below .*empty: looked for files named .*; check --source"):
        pack(FolderSource(tmp_path / "empty"), tmp_path)
    (tmp_path / "empty" / "a.tiff").touch()
    with pytest.raises(TinyganError, match=r"it holds 1 files that are not named as images \(1 .tiff\)"):
        pack(FolderSource(tmp_path / "empty"), tmp_path)
    with pytest.raises(TinyganError, match="nowhere does not exist"):
        pack(FolderSource(tmp_path / "nowhere"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_names_that_no_terminal_prints(photos, tmp_path):
    odd = os.fsencode(photos) + b"/new\nline\xff\x1b[31m.png"
    with open(odd, "wb") as file:
        file.write(encoded(picture(2), "PNG"))
    with open(os.fsencode(photos) + b"/Notizen.Gr\xf6\xdfe", "wb"):
        pass
    said, _ = pack(FolderSource(photos), tmp_path)
    assert said["left_out"] == [r"1 files that are not named as images (1 .gr\udcf6\udcdfe)"]
    assert (tmp_path / "out" / "names.txt").read_text().split("\n")[3] == r"new\nline\udcff\x1b[31m.png"


def zipped(path, members, **attributes):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            for attribute, value in attributes.items():
                setattr(info, attribute, value)
            archive.writestr(info, content)
    return path


def pictures(*names):
    return [(name, encoded(picture(k), "PNG")) for k, name in enumerate(names)]


@pytest.fixture
def archive(tmp_path):
    return lambda members, **attributes: zipped(tmp_path / "photos.zip", members, **attributes)


def open_zip(path, dataset="folder"):
    return source_of(dataset, path, None)[0]


def test_a_zip_archive_is_the_folder_that_it_unpacks_to(tmp_path, archive):
    path = archive([*pictures("b/1.png", "a/2.PNG", "a/1.png"), ("a/notes.txt", b""), ("__MACOSX/a/._1.png", b"")])
    said, images = pack(open_zip(path), tmp_path)
    assert np.array_equal(images.images, [np.asarray(picture(k)) for k in (2, 1, 0)])
    assert images.labels.tolist() == [0, 0, 1]
    assert said["left_out"] == ["1 files that are not named as images (1 .txt)"]


def raw_names(path, replacements):
    """Write other bytes of the same length in place of names, as other programs would have written them."""
    content = path.read_bytes()
    for old, new in replacements.items():
        assert len(old) == len(new)
        assert content.count(old) == 2  # before the member, and in the directory
        content = content.replace(old, new)
    path.write_bytes(content)
    return path


def names_in(tmp_path):
    return (tmp_path / "out" / "names.txt").read_text().split("\n")[:-1]


@pytest.mark.parametrize("system", [0, 3, 10])  # MS-DOS, Unix, NTFS: what the archive says of who made it
def test_backslashes_in_an_archive_stand_between_folders(tmp_path, archive, system):
    members = [("photos\\", b""), ("a\\", b""), *pictures("b\\1.png", "a\\x\\2.png", "a/1.png", "a\\1.png")]
    members += [("__MACOSX\\a\\._1.png", b""), ("a\\.hidden\\1.png", b""), ("a\\Thumbs.db", b"")]
    said, images = pack(open_zip(archive(members, create_system=system)), tmp_path)
    assert names_in(tmp_path) == ["a/1.png", "a/x/2.png", "b/1.png"]
    assert np.array_equal(images.images, [np.asarray(picture(k)) for k in (2, 1, 0)])
    assert (images.labels.tolist(), said["classes"]) == ([0, 0, 1], {"a": 2, "b": 1})
    assert said["skipped"] == [["a/1.png", "second member of this name"]]
    assert said["left_out"] == ["1 files that are not named as images (1 .db)"]


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("Füße".encode(), ["Füße/1.png", "a/2.png"]),  # macOS: UTF-8 without the flag
        ("日本".encode(), ["a/2.png", "日本/1.png"]),
        ("Füße".encode("cp437"), ["Füße/1.png", "a/2.png"]),  # as the format says
        ("Fuß".encode("cp437"), ["Fuß/1.png", "a/2.png"]),
        (b"\xff\xfe", ["a/2.png", "\u00a0\u25a0/1.png"]),
    ],
)
def test_names_in_an_archive_are_those_that_were_meant(tmp_path, archive, written, names):
    place = b"_" * len(written)
    path = archive(pictures(f"{place.decode()}/1.png", "a/2.png"))
    said, images = pack(open_zip(raw_names(path, {place + b"/1.png": written + b"/1.png"})), tmp_path)
    assert names_in(tmp_path) == [re.sub("\u00a0", r"\\xa0", name) for name in names]
    assert len(said["classes"]) == 2
    by_name = dict(zip(names, images.images, strict=True))
    assert np.array_equal(by_name["a/2.png"], np.asarray(picture(1)))


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (("pets/cats/1.png", "pets/dogs/1.png"), {"cats": 1, "dogs": 1}),  # the folder itself was packed
        (("a/pets/cats/1.png", "a/pets/dogs/x/1.png"), {"cats": 1, "dogs": 1}),
        (("cats/1.png", "dogs/1.png"), {"cats": 1, "dogs": 1}),
        (("pets/1.png", "pets/2.png"), {}),
        (("pets/1.png", "pets/cats/2.png"), {}),
        (("1.png", "cats/2.png"), {}),
        (("1.png", "2.png"), {}),
        (("cat/1.png", "cats/1.png"), {"cat": 1, "cats": 1}),
    ],
)
@pytest.mark.parametrize("separator", ["/", "\\"])
def test_classes_are_the_folders_in_the_folder_that_was_packed(tmp_path, archive, names, classes, separator):
    said, images = pack(open_zip(archive(pictures(*(name.replace("/", separator) for name in names)))), tmp_path)
    assert said["classes"] == classes
    assert names_in(tmp_path) == list(names)
    assert (images.labels is None) == (not classes)


def test_half_a_japanese_character_is_no_backslash(tmp_path, archive):
    places = {f"{'_' * len(name.encode('sjis'))}{k}": name for k, name in enumerate(("ソA", "ソB", "ド表"))}
    path = archive(pictures(*(f"{place}/1.png" for place in places)))
    written = {f"{place}/".encode(): f"{name}{place[-1]}/".encode("sjis") for place, name in places.items()}
    assert all(b"\\" in name for name in written.values())
    said, _ = pack(open_zip(raw_names(path, written)), tmp_path)
    assert list(said["classes"].values()) == [1, 1, 1]


def test_names_with_the_flag_are_utf8(tmp_path, archive):
    pack(open_zip(archive(pictures("Füße/1.png", "日本/2.png"))), tmp_path)
    assert names_in(tmp_path) == ["Füße/1.png", "日本/2.png"]


ELSEWHERE = [b"../1.png", b"a/../../1.png", b"/etc/1.png", b"C:/1.png", b"..\\1.png", b"\\\\host\\1.png"]
ELSEWHERE += [b"a\\..\\..\\1.png", b"\\etc\\1.png", b"C:\\1.png", b"\xff/..\\..\\1.png"]


@pytest.mark.parametrize("written", ELSEWHERE)
def test_members_that_lead_elsewhere_are_refused_however_written(tmp_path, archive, written):
    place = b"_" * len(written)
    path = archive([*pictures("0.png"), (place.decode(), encoded(picture(1), "PNG"))])
    with pytest.raises(TinyganError, match=r"photos.zip has a member '.*' whose path is absolute or leads upwards"):
        pack(open_zip(raw_names(path, {place: written})), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["photos.zip"]


def test_a_colon_in_a_name_leads_nowhere(tmp_path, archive):
    names = ["12:30/1.png", "1:30.png", "2026-11-26 at 19:30.png", "D: sunset.png", "a: b/1.png"]
    pack(open_zip(archive(pictures(*names))), tmp_path)
    assert names_in(tmp_path) == names


def test_links_duplicates_bombs_and_damage_in_an_archive_are_listed(tmp_path, archive):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = archive(pictures("1.png", "2.png", "1.png", "3.png", "4.png"))
    with zipfile.ZipFile(path, "a") as file:
        link = zipfile.ZipInfo("link.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
    content = bytearray(path.read_bytes())
    content[content.index(encoded(picture(4), "PNG")) + 60] ^= 1
    path.write_bytes(content)
    said, images = pack(open_zip(path), tmp_path, max_skipped=0.6)
    assert dict(map(tuple, said["skipped"])) == {
        "1.png": "second member of this name",
        "link.png": "symbolic link",
        "4.png": "Bad CRC-32 for file '4.png'",
    }
    assert len(images.images) == 3


def test_a_member_that_claims_to_be_huge_is_skipped(tmp_path, archive):
    path = archive(pictures("1.png", "2.png", "3.png"))
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (2**32 - 2).to_bytes(4, "little")
    path.write_bytes(content)
    assert pack(open_zip(path), tmp_path, max_skipped=0.4)[0]["skipped"] == [
        ["1.png", "claims to unpack to 4294967294 bytes"]
    ]


def test_a_member_that_shrinks_as_far_as_it_can_is_read_and_one_that_claims_more_is_not(tmp_path):
    flat = encoded(Image.new("RGB", (1024, 1024)), "BMP")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in ("1.bmp", "2.bmp"):
            archive.writestr(name, flat)
        shrunk = archive.getinfo("2.bmp").compress_size
    assert len(flat) > 900 * shrunk  # deflate's limit is 1032
    content = bytearray((tmp_path / "photos.zip").read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (1200 * shrunk).to_bytes(4, "little")
    (tmp_path / "photos.zip").write_bytes(content)
    said, images = pack(open_zip(tmp_path / "photos.zip"), tmp_path, max_skipped=0.5)
    assert said["skipped"] == [["2.bmp", f"claims to unpack to {1200 * shrunk} bytes"]]
    assert len(images.images) == 1


def test_a_source_that_changed_is_another_one(photos, tmp_path, archive):
    def seen(source):
        return source.list(tmp_path).fingerprint

    folders = [seen(FolderSource(photos))]
    with open(photos / "000.png", "ab") as file:
        file.write(b"more")
    folders.append(seen(FolderSource(photos)))
    (photos / "000.png").rename(photos / "00.png")
    folders.append(seen(FolderSource(photos)))
    assert len(set(folders)) == 3
    member = bytearray(encoded(picture(0), "BMP"))
    archives = [seen(open_zip(archive([("1.bmp", bytes(member))])))]
    member[-1] ^= 1  # of the same length
    archives.append(seen(open_zip(archive([("1.bmp", bytes(member))]))))
    archives.append(seen(open_zip(archive([("2.bmp", bytes(member))]))))
    assert len(set(archives)) == 3
    assert archives[2] == seen(open_zip(archive([("2.bmp", bytes(member))])))


def test_nobody_is_told_to_delete_what_is_no_archive(tmp_path):
    write_pictures(tmp_path, 1)
    (file,) = tmp_path.iterdir()
    with pytest.raises(TinyganError, match=r"is no readable zip archive .*; name a folder of images, or") as error:
        pack(open_zip(file), tmp_path / "place")
    assert "delete it" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"\n<!DOCTYPE html><title>Quota exceeded</title>",
            r"photos.zip is a web page \(HTML\) saved under .* get it again",
        ),
        (b"Rar!\x1a\x07", "photos.zip is no readable zip archive .*unpack it and name the folder"),
        (b"", "photos.zip is no readable zip archive"),
    ],
)
def test_what_is_no_zip_archive_is_refused(tmp_path, content, message):
    (tmp_path / "photos.zip").write_bytes(content)
    with pytest.raises(TinyganError, match=message):
        pack(open_zip(tmp_path / "photos.zip"), tmp_path)


def test_a_truncated_an_empty_and_an_encrypted_archive_are_refused(tmp_path, archive):
    path = archive(pictures("1.png", "2.png"))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(TinyganError, match="is no readable zip archive"):
        pack(open_zip(path), tmp_path)
    with pytest.raises(TinyganError, match=r"no images in .*photos.zip: looked for"):
        pack(open_zip(archive([("a.txt", b"")])), tmp_path)
    content = bytearray(archive(pictures("1.png")).read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(TinyganError, match="is encrypted; unpack it"):
        pack(open_zip(path), tmp_path)


def test_celebas_archive_is_checked_by_its_published_sum(tmp_path, monkeypatch):
    path = zipped(
        tmp_path / "img_align_celeba.zip", pictures("img_align_celeba/000001.jpg", "img_align_celeba/000002.jpg")
    )
    with pytest.raises(
        TinyganError, match=r"has another MD5 than the published archive of that name .*00d2c5bc6d35e25"
    ):
        pack(open_zip(path, "celeba"), tmp_path)
    monkeypatch.setitem(zipped_source.PUBLISHED_MD5, path.name, hashlib.md5(path.read_bytes()).hexdigest())
    assert len(pack(open_zip(path, "celeba"), tmp_path)[1].images) == 2
