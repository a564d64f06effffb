"""Files that a user names. All devices here are nodes, pipes and sockets of the test's own."""

import errno
import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from tinygan.errors import TinyganError
from tinygan.output import check_output, write_output

ROOT = Path(__file__).parent.parent


def read_pipe(path: Path) -> tuple[threading.Thread, list[bytes]]:
    """Somebody who reads a pipe to its end."""
    found = []
    reader = threading.Thread(target=lambda: found.append(path.read_bytes()), daemon=True)
    reader.start()
    return reader, found


def test_a_new_file_has_the_permissions_of_any(tmp_path):
    write_output(tmp_path / "file", b"new")
    (tmp_path / "other").write_bytes(b"")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "other").stat().st_mode
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_permissions_are_kept(tmp_path, mode):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_output(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail_half_way(file):
        file.write(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_output(path, fail_half_way)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_followed(tmp_path, there):
    (tmp_path / "place").mkdir()
    target, link = tmp_path / "place" / "file", tmp_path / "link"
    link.symlink_to("place/file")
    if there:
        target.write_bytes(b"old")
    write_output(link, b"new")
    assert link.is_symlink()
    assert not target.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_second_name_stays_one(tmp_path):
    (tmp_path / "file").write_bytes(b"old and longer")
    os.link(tmp_path / "file", tmp_path / "name")
    write_output(tmp_path / "file", lambda file: file.write(b"new"))
    assert (tmp_path / "name").read_bytes() == b"new"


def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader, found = read_pipe(tmp_path / "pipe")
    write_output(tmp_path / "pipe", lambda file: np.savez(file, images=np.arange(5)))  # wants to seek
    reader.join()
    assert found[0][:2] == b"PK"
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_device_stays_one(tmp_path):
    node = tmp_path / "node"
    try:
        os.mknod(node, stat.S_IFCHR | 0o600, os.makedev(1, 3))  # takes everything
        node.write_bytes(b"")
    except PermissionError:
        pytest.skip("only root may make a device, and not in every container")
    write_output(node, b"new")
    assert stat.S_ISCHR(node.stat().st_mode)


def test_a_full_device_is_one_line(tmp_path):
    node = tmp_path / "node"
    try:
        os.mknod(node, stat.S_IFCHR | 0o600, os.makedev(1, 7))  # always full
        node.open("wb").close()
    except PermissionError:
        pytest.skip("only root may make a device, and not in every container")
    with pytest.raises(TinyganError, match=r"cannot write .*node: No space left on device; free some space"):
        write_output(node, b"new")


def test_a_folder_a_socket_and_links_in_a_circle_are_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with pytest.raises(TinyganError, match=r"cannot write .*: Is a directory; a folder is in its place"):
        write_output(tmp_path, b"new")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        with pytest.raises(TinyganError, match=r"cannot write .*socket: No such device or address"):
            write_output(tmp_path / "socket", b"new")
    (tmp_path / "link").symlink_to("link")
    with pytest.raises(TinyganError, match="its links lead round in a circle"):
        write_output(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EACCES, errno.EROFS])
def test_a_file_that_cannot_be_replaced_is_overwritten(tmp_path, monkeypatch, number):
    """A mount point, or a file in a folder that belongs to others."""
    path = tmp_path / "file"
    path.write_bytes(b"old and longer")

    def refused(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refused)
    write_output(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_no_reason_to_overwrite(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def refused(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refused)
    with pytest.raises(TinyganError, match="the file that was there before is kept; free some space"):
        write_output(path, b"new")
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("redirected", ["file", "pipe"])
@pytest.mark.skipif(not os.path.exists("/proc/self/fd/1"), reason="this system names descriptors otherwise")
def test_standard_output_keeps_what_was_printed(tmp_path, redirected):
    write = "write_output('/proc/self/fd/1', b'new\\n')"
    code = f"from tinygan.output import write_output; print('table'); {write}; print('end')"
    command = [sys.executable, "-c", code]
    if redirected == "pipe":
        printed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    else:
        with open(tmp_path / "out", "wb") as file:
            subprocess.run(command, cwd=ROOT, stdout=file, check=True)
        printed = (tmp_path / "out").read_bytes()
    assert printed == b"table\nnew\nend\n"


def test_a_path_that_cannot_be_written_is_refused_before_the_work(tmp_path):
    with pytest.raises(TinyganError, match=r"--out .* is a folder: name a file, such as .*/FILE"):
        check_output(tmp_path, "--out")
    with pytest.raises(TinyganError, match=r"--out .*: there is no folder .*missing; make it first"):
        check_output(tmp_path / "missing" / "file", "--out")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("later")
    for name in ("new", "pipe", "link"):
        check_output(tmp_path / name, "--out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="the system has no names for descriptors")
def test_a_pipe_of_the_shell_is_written_to(tmp_path):
    """Standard output behind ``| less``, and what ``>(program)`` stands for."""
    reading, writing = os.pipe()
    try:
        check_output(Path(f"/dev/fd/{writing}"), "--out")
        write_output(Path(f"/dev/fd/{writing}"), b"new")
        assert os.read(reading, 9) == b"new"
    finally:
        os.close(reading)
        os.close(writing)
