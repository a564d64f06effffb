"""Atomic files."""

import pytest

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
