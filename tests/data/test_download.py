import contextlib
import hashlib
import socket
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest

from tinygan.data import download as module
from tinygan.data.download import check_archive, download
from tinygan.errors import TinyganError

CONTENT = np.random.default_rng(0).bytes(600_000)  # more than two blocks
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PAGE = b"\n<!DOCTYPE html>\n<html><body>Quota exceeded</body></html>"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/missing":
            self.send_error(404)
            return
        body = {"/page": PAGE, "/other": CONTENT[::-1], "/short": CONTENT[:-1000]}.get(self.path, CONTENT)
        self.send_response(200)
        if self.path == "/short-announced":
            body = CONTENT[:-1000]
            self.send_header("Content-Length", str(len(CONTENT)))
        elif self.path == "/long":
            body = CONTENT * 50
        elif self.path != "/unannounced":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.path == "/stalls":
            self.wfile.write(body[:1000])
            self.server.stop.wait(5)
            return
        with contextlib.suppress(ConnectionError):  # the client has seen enough
            self.wfile.write(body)
            self.server.sent_whole.add(self.path)

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def _no_proxy():
    """For urllib, which looks for one in the environment at its first call, and keeps to it."""
    urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))
    yield
    urllib.request.install_opener(None)


@pytest.fixture
def server():
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.stop, server.sent_whole = threading.Event(), set()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.stop.set()
    server.shutdown()
    thread.join()
    assert "/long" not in server.sent_whole  # an endless file is not fetched to its end
    server.server_close()


def files_below(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("page", ["/good", "/unannounced"])
def test_good_file_arrives_whole_and_alone(server, tmp_path, capsys, page):
    path = tmp_path / "new" / "folder" / "file.bin"
    download(server + page, path, len(CONTENT), SHA256)
    assert path.read_bytes() == CONTENT
    assert files_below(tmp_path) == [path]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1  # no progress bar where there is no terminal
    assert str(path) in lines[0]


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("/other", "another SHA-256"),
        ("/page", "web page"),
        ("/short", "a file of 599000 bytes, not 600000"),
        ("/short-announced", "broke off: 599000 of 600000"),
        ("/long", "larger than the expected 600000 bytes"),
        ("/missing", "404"),
    ],
)
def test_failure_is_one_line_and_leaves_nothing(server, tmp_path, page, message):
    with pytest.raises(TinyganError, match=message) as caught:
        download(server + page, tmp_path / "file.bin", len(CONTENT), SHA256)
    assert server + page in str(caught.value)
    assert f"put the file into the folder {tmp_path} and give the same command again" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert files_below(tmp_path) == []


def test_failure_keeps_the_file_that_was_there(server, tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"before")
    with pytest.raises(TinyganError):
        download(server + "/other", path, len(CONTENT), SHA256)
    assert path.read_bytes() == b"before"
    assert files_below(tmp_path) == [path]


def test_silence_ends_in_one_line(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(TinyganError, match=r"cannot download .*timed out.*by hand"):
        download(server + "/stalls", tmp_path / "file.bin", len(CONTENT), SHA256)
    assert files_below(tmp_path) == []


def test_refused_connection(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: nobody else gets the port, and nobody answers
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/file"
        with pytest.raises(TinyganError, match=r"cannot download http://127.*refused.*by hand"):
            download(url, tmp_path / "new" / "file.bin", len(CONTENT), SHA256)
    assert list(tmp_path.iterdir()) == []


def test_check_archive_accepts_the_genuine_one(tmp_path):
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(CONTENT)
    check_archive(path, len(CONTENT), SHA256)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PAGE, "web page"),
        (b"\xef\xbb\xbf<HTML>" + CONTENT, "web page"),
        (CONTENT[:-1], "truncated: 599999 of 600000"),
        (b"", "truncated: 0 of 600000"),
        (CONTENT + b"x", "not the expected archive"),
        (CONTENT[::-1], "another SHA-256"),
    ],
)
def test_check_archive_says_what_is_wrong(tmp_path, content, message):
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(content)
    with pytest.raises(TinyganError, match=message) as caught:
        check_archive(path, len(CONTENT), SHA256)
    assert str(path) in str(caught.value)
    assert "download it again" in str(caught.value)
