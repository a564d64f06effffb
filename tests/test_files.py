"""Atomic files."""

import errno
import os

import pytest

from tinygan import files
from tinygan.errors import TinyganError
from tinygan.files import atomic_file, remove_temporary_files, write_atomically


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with atomic_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


class Held:
    """os.replace of a system that refuses it while another program has the file open, so many times."""

    def __init__(self, monkeypatch, times, winerror):
        self.left, self.winerror, self.slept, self.really = times, winerror, 0.0, os.replace
        monkeypatch.setattr(files.os, "replace", self.replace)
        monkeypatch.setattr(files.time, "sleep", self.sleep)

    def replace(self, source, target):
        if self.left:
            self.left -= 1
            error = PermissionError(errno.EACCES, "Access is denied", str(target))
            error.winerror = self.winerror
            raise error
        self.really(source, target)

    def sleep(self, seconds):
        self.slept += seconds


@pytest.mark.parametrize("winerror", [5, 32])
def test_a_file_that_a_reader_holds_is_replaced_when_it_lets_go(tmp_path, monkeypatch, winerror):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    held = Held(monkeypatch, 4, winerror)
    write_atomically(path, b"new")
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"new", [path])
    assert held.slept < 1


def test_a_file_that_a_reader_keeps_is_kept_and_the_line_says_why(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    held = Held(monkeypatch, 1000, 32)
    with pytest.raises(TinyganError, match=r"the file that was there before is kept; another program may have it open"):
        write_atomically(path, b"new")
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"old", [path])
    assert held.slept == pytest.approx(3)


def test_what_no_reader_causes_is_not_tried_again(tmp_path, monkeypatch):
    held = Held(monkeypatch, 1000, None)
    with pytest.raises(TinyganError, match=r"cannot write .*: Access is denied; allow it"):
        write_atomically(tmp_path / "file", b"new")
    assert held.slept == 0


def test_an_exception_keeps_the_old_file_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def fail_half_way(file):
        file.write(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_atomically(path, fail_half_way)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_the_system_refuses_is_one_line(tmp_path):
    with pytest.raises(TinyganError, match=r"cannot write .*missing/file: No such file or directory; "):
        write_atomically(tmp_path / "missing" / "file", b"x")


def test_leftovers_of_killed_writers_are_removed(tmp_path):
    (tmp_path / "last.safetensors.part").write_bytes(b"half")
    (tmp_path / "last.safetensors").write_bytes(b"whole")
    remove_temporary_files(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["last.safetensors"]


def refuse(monkeypatch, number, calls=("fsync",)):
    """The system answers these calls with an error."""

    def refused(*_):
        raise OSError(number, os.strerror(number))

    for call in calls:
        monkeypatch.setattr(os, call, refused)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS])
def test_a_file_system_without_fsync_is_written_to(tmp_path, monkeypatch, number):
    refuse(monkeypatch, number)
    write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_folder_that_cannot_be_listed_is_written_to(tmp_path, monkeypatch):
    refuse(monkeypatch, errno.EACCES, ("open",))
    write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("number", "frees_space"),
    [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False), (errno.EFBIG, False), (errno.EROFS, False)],
)
def test_space_is_the_remedy_where_space_is_missing(tmp_path, monkeypatch, number, frees_space):
    write_atomically(tmp_path / "file", b"old")
    refuse(monkeypatch, number)
    with pytest.raises(TinyganError, match=r"cannot write .*file: .*; the file that was there before is kept") as error:
        write_atomically(tmp_path / "file", b"new")
    assert ("free some space" in str(error.value)) == frees_space
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_took_its_place_is_not_said_to_be_kept(tmp_path, monkeypatch):
    write_atomically(tmp_path / "file", b"old")
    synced = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(1) or (len(synced) > 1 and refused()))

    def refused():
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(TinyganError, match=r"file is written, but may not outlast a power cut: Input/output error"):
        write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_two_writers_of_a_file_never_mix(tmp_path):
    path = tmp_path / "file"
    with atomic_file(path) as one, atomic_file(path) as other:
        one.write(b"1" * 10_000)
        other.write(b"2" * 9)
        remove_temporary_files(tmp_path)  # both are being written, and stay
        other.flush()
        one.write(b"1" * 10_000)
    assert path.read_bytes() == b"1" * 20_000
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_as_long_as_can_be(tmp_path):
    path = tmp_path / ("ü" * 127)  # 254 bytes
    write_atomically(path, b"x")
    assert list(tmp_path.iterdir()) == [path]


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path):
    for name in ("file.0123abcd.part", "file2.0123abcd.part", "other.part"):
        (tmp_path / name).write_bytes(b"half")
    write_atomically(tmp_path / "file", b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "file2.0123abcd.part", "other.part"]


def test_what_only_looks_like_a_leftover_stays(tmp_path):
    (tmp_path / "folder.part").mkdir()
    remove_temporary_files(tmp_path)
    assert (tmp_path / "folder.part").is_dir()
