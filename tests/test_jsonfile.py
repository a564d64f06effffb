"""JSON from a disk: what is damaged is a phrase for people, whatever it is."""

import json
import os
import tracemalloc

import pytest

from tinygan.data.decode import read_file
from tinygan.errors import TinyganError
from tinygan.jsonfile import parse_json, read_bytes, read_json

KIND = {"count": int, "note?": str | None, "sizes?": list[tuple[int, int]], "parts?": dict[str, float]}


@pytest.mark.parametrize(
    "text",
    [
        '{"count": 3}',
        '{"count": 0, "note": null, "more": [1.5, -2, true]}',
        '{"count": 1, "note": "x", "sizes": [[1, 2]], "parts": {"a": 1, "b": 0.5}}',
        "\ufeff" + '{"count": 3}',
    ],
)
def test_what_fits(text):
    assert parse_json(text.encode(), KIND)["count"] == json.loads(text.strip("\ufeff"))["count"]


@pytest.mark.parametrize(
    ("content", "phrase"),
    [
        (b"", "Expecting value in line 1"),
        (b'{"count": 3', "Expecting ',' delimiter in line 1"),
        (b'{"count": "\xff"}', "byte 11 is not UTF-8"),
        (b"[]", "it is a list"),
        (b"null", "it is None"),
        (b"{}", "count is missing"),
        (b'{"count": true}', "count is True"),
        (b'{"count": 1.0}', "count is 1.0"),
        (b'{"count": -1}', "count is -1"),
        (b'{"count": "1"}', "count is '1'"),
        (b'{"count": ' + b"9" * 400 + b"}", "a number is too large"),
        (b'{"count": ' + b"9" * 5000 + b"}", "a number is too large"),
        (b'{"count": 1, "x": 1e999}', "a number is not finite"),
        (b'{"count": 1, "x": NaN}', "a number is not finite"),
        (b'{"count": 1, "x": ' + b"[" * 200 + b"]" * 200 + b"}", "too deep"),
        (b"[" * 100_000, "too deep"),
        (b'{"count": 1, "note": 5}', "note is 5"),
        (b'{"count": 1, "sizes": [[1, 2], [1]]}', r"sizes\[1\] is a list"),
        (b'{"count": 1, "sizes": [[1, "2"]]}', r"sizes\[0\]\[1\] is '2'"),
        (b'{"count": 1, "parts": {"a": false}}', "parts.a is False"),
        (b'{"count": 1, "parts": {"a\\u001b[2J": false}}', r"parts.a\[2J is False"),
    ],
)
def test_what_does_not(content, phrase, tmp_path):
    with pytest.raises(ValueError, match=phrase):
        parse_json(content, KIND)
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(TinyganError, match=rf"file is damaged \({phrase}.*\): restore it"):
        read_json(tmp_path / "file", KIND, "restore it")


def test_a_small_file_takes_little_memory_whatever_may_be_read(tmp_path):
    (tmp_path / "file").write_bytes(b"small")
    tracemalloc.start()
    try:
        assert read_bytes(tmp_path / "file", 1 << 30) == read_file(tmp_path / "file") == b"small"
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_what_is_too_large_or_no_file_is_not_read(tmp_path):
    (tmp_path / "file").write_bytes(b" " * 100)
    with pytest.raises(ValueError, match="more than 99 bytes"):
        read_bytes(tmp_path / "file", 99)
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(TinyganError, match=r"damaged \(it is no file\)"):
            read_json(tmp_path / name, KIND, "")
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none", KIND, "")
