"""JSON that comes from a disk and may be damaged: read within limits, and checked against what is expected of it.

What is expected is written as Python writes types. Every ``int`` is a count (0 to 2⁶³ − 1), every ``float`` finite.

    int, float, str, dict, list        itself; a whole number is a float as well, True is neither; object is anything
    list[int], dict[str, int]          all of one kind
    tuple[int, int]                    a list of this length
    str | None                         one of these
    {"iteration": int, "note?": str}   an object with at least these entries, of which "note" may be missing
"""

import json
import math
import os
import stat
import types
import typing
from pathlib import Path

from tinygan.errors import TinyganError

LARGEST = 64 << 20  # bytes of a file, unless its reader knows better
DEEPEST = 32  # levels of lists and objects within each other
SHOWN = 40  # characters of a wrong value


def read_json(path: Path, kind: object, remedy: str) -> typing.Any:
    """The content of a JSON file; OSError where the system refuses to read it.

    Raises TinyganError where it is damaged, or not what ``kind`` says; the line ends with ``remedy``.
    """
    try:
        return parse_json(read_bytes(path), kind)
    except ValueError as error:
        raise TinyganError(f"{path} is damaged ({error}): {remedy}") from error


def read_bytes(path: Path, largest: int = LARGEST) -> bytes:
    """All of a file; raises ValueError if it is longer than ``largest`` bytes, or a pipe, device or folder."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("it is no file")
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > largest:
            raise ValueError(f"more than {largest} bytes")
        return file.read(size)  # not of ``largest``: it would ask for all that memory at once


def parse_json(content: bytes | str, kind: object) -> typing.Any:
    """Parse JSON text and check it; ValueError, with a phrase for people, for no JSON in UTF-8, or not of ``kind``.

    >>> parse_json('{"count": 3}', {"count": int})
    {'count': 3}
    """
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
        value = json.loads(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} in line {error.lineno}") from error
    except RecursionError as error:
        raise ValueError("too deep") from error
    except ValueError as error:  # Python's limit of digits
        raise ValueError("a number is too large") from error
    _check_values(value, 0)
    check(value, kind)
    return value


def check(value: object, kind: object, where: str = "") -> None:
    """Raise ValueError, naming the place, unless ``value`` is of ``kind``; see the top of this file."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is object:
        return
    if origin is types.UnionType:
        if not any(_fits(value, part) for part in parts):
            raise _wrong(value, where)
    elif not _is(value, dict if isinstance(kind, dict) else origin or kind):
        raise _wrong(value, where)
    elif isinstance(kind, dict):
        for name, part in kind.items():
            key = name.removesuffix("?")
            if key in value:
                check(value[key], part, f"{where}.{key}")
            elif key == name:
                raise ValueError(f"{where}.{key}".lstrip(".") + " is missing")
    elif origin in (list, tuple):
        kinds = parts * len(value) if origin is list else parts
        if len(kinds) != len(value):
            raise _wrong(value, where)
        for number, (entry, part) in enumerate(zip(value, kinds, strict=True)):
            check(entry, part, f"{where}[{number}]")
    elif origin is dict:
        for name, entry in value.items():
            check(entry, parts[1], f"{where}.{name}")


def _is(value: object, kind: type) -> bool:
    if kind is int:
        return type(value) is int and value >= 0
    return type(value) in {float: (int, float), tuple: (list, tuple)}.get(kind, (kind,))


def _fits(value: object, kind: object) -> bool:
    try:
        check(value, kind)
    except ValueError:
        return False
    return True


def _wrong(value: object, where: str) -> ValueError:
    shown = repr(value) if isinstance(value, (int, float, str, types.NoneType)) else f"a {type(value).__name__}"
    place = "".join(c for c in where.lstrip(".") if c.isprintable()) or "it"
    return ValueError(f"{place[:SHOWN]} is {shown[:SHOWN]}")


def _check_values(value: object, depth: int) -> None:
    """Raise ValueError for what no file of tinygan holds, whatever its kind."""
    if depth > DEEPEST:
        raise ValueError("too deep")
    if isinstance(value, (dict, list)):
        for entry in value.values() if isinstance(value, dict) else value:
            _check_values(entry, depth + 1)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a number is not finite")
    elif isinstance(value, int) and abs(value) >= 1 << 63:
        raise ValueError("a number is too large")
