"""Text for people: what a terminal cannot show, or should not obey, is written in characters that it can."""

import codecs
import os
import sys
from typing import TextIO

# What stands for the characters of our own messages where an encoding lacks them.
PLAIN = str.maketrans({
    "×": "x", "÷": "/", "−": "-", "–": "-", "…": "...", "±": "+-", "²": "^2", "³": "^3", "‖": "||", "·": "*",
})  # fmt: skip
NAME = "tinygan"  # of the error handler


def printable(text: object) -> str:
    r"""``text`` as one line: control characters, other invisible ones and undecodable bytes as escapes.

    >>> printable("a\x1b[31m\nb\udcf6")
    'a\\x1b[31m\\nb\\udcf6'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def say(*lines: object, file: TextIO | None = None) -> None:
    """Print each of ``lines`` as a line, on standard output or ``file``, at once."""
    print(*map(printable, lines), sep="\n", file=file, flush=True)


def prepare_streams() -> None:
    """Make standard output and standard error accept any text, whatever their encoding; a closed one takes it too.

    A closed descriptor is opened on the null device: the next file to be opened would otherwise take its number, and
    get whatever a library prints.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, "w" if descriptor else "r", encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not what a test or a notebook has put there
            stream.reconfigure(errors=NAME)


def _replace(error: UnicodeError) -> tuple[str, int]:
    """The error handler: plain characters for ours, escapes for all others."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(PLAIN)
    return text.encode("ascii", "backslashreplace").decode(), error.end


codecs.register_error(NAME, _replace)
