"""Fetch an archive, or check the one that is there: whole and genuine, or one line that says what is wrong."""

import hashlib
import http.client
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinygan.bars import tqdm
from tinygan.errors import TinyganError
from tinygan.files import atomic_file
from tinygan.text import say

TIMEOUT_SECONDS = 30.0  # of silence, not for the whole file
BLOCK_BYTES = 1 << 18


def download(url: str, path: Path, length: int, sha256: str) -> None:
    """Fetch ``url`` into ``path``, which appears only when the whole file is there and its hash is right.

    The folder of ``path`` is made if need be. ``length`` is in bytes, ``sha256`` in lower-case hex. Shows a progress
    bar on a terminal, one plain line elsewhere. Raises TinyganError where there is no connection, silence for 30 s, a
    web page instead of the file, or a wrong size or hash; nothing is left behind.
    """
    put = f"put the file into the folder {path.parent} and give the same command again"
    remedy = f"download it by hand with a browser, {put}"
    with _one_line(url, remedy):
        response = urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS)
    with response:
        block = _read(response, url, remedy)
        if is_web_page(block):
            raise TinyganError(f"{url} gave a web page (HTML), not an archive; {remedy}")
        announced = response.headers.get("Content-Length", str(length))
        if announced != str(length):
            raise TinyganError(f"{url} is a file of {announced} bytes, not {length}; {remedy}")
        if not sys.stderr.isatty():
            say(f"downloading {url} ({length / 2**20:.0f} MB) to {path}", file=sys.stderr)
        path.parent.mkdir(parents=True, exist_ok=True)
        digest, received = hashlib.sha256(), 0
        with (
            atomic_file(path) as file,
            tqdm(total=length, desc=path.name, unit="B", unit_scale=True, unit_divisor=1024, disable=None) as bar,
        ):
            while block and received <= length:
                received += len(block)
                digest.update(block)
                file.write(block)
                bar.update(len(block))
                block = _read(response, url, remedy)
            if received > length:
                raise TinyganError(f"{url} is larger than the expected {length} bytes; {remedy}")
            if received < length:
                raise TinyganError(f"{url} broke off: {received} of {length} bytes came; try again, or {remedy}")
            if digest.hexdigest() != sha256:
                raise TinyganError(
                    f"{url} has another SHA-256 than expected ({digest.hexdigest()}, not {sha256}): damaged on the "
                    f"way, or not the genuine file; try again, or {remedy}"
                )


def check_archive(path: Path, length: int, sha256: str) -> None:
    """Raise TinyganError unless the archive at ``path`` is the genuine one, before anything parses it."""
    remedy = "delete it and download it again"
    with open(path, "rb") as file:
        if is_web_page(file.read(BLOCK_BYTES)):
            raise TinyganError(f"{path} is a web page (HTML) saved under an archive's name; {remedy}")
        size = path.stat().st_size
        if size < length:
            raise TinyganError(f"{path} is truncated: {size} of {length} bytes; {remedy}")
        if size > length:
            raise TinyganError(f"{path} is not the expected archive: {size} bytes, not {length}; {remedy}")
        file.seek(0)
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise TinyganError(f"{path} has another SHA-256 than expected ({found}, not {sha256}); {remedy}")


def is_web_page(beginning: bytes) -> bool:
    """Whether a file that begins with these bytes is an HTML page: what servers send in place of an archive."""
    return beginning.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html"))


def _read(response: http.client.HTTPResponse, url: str, remedy: str) -> bytes:
    with _one_line(url, remedy):
        return response.read(BLOCK_BYTES)


@contextmanager
def _one_line(url: str, remedy: str) -> Iterator[None]:
    """Whatever the network raises becomes one line naming the URL. Never wrapped around writing to the disk."""
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it is the response as well and holds the connection
            reason = f"the server answered {error.code} {error.reason}"
        else:
            reason = getattr(error, "reason", None) or error
        raise TinyganError(f"cannot download {url}: {reason}; check the connection, or {remedy}") from error
