"""Text for people: what a terminal cannot show, or should not obey, is written in characters that it can."""

import codecs
import difflib
import os
import re
import sys
from collections.abc import Iterable
from typing import TextIO

# What stands for the characters of our own messages where an encoding lacks them.
PLAIN = str.maketrans({
    "×": "x", "÷": "/", "−": "-", "–": "-", "…": "...", "±": "+-", "²": "^2", "³": "^3", "‖": "||", "·": "*",
})  # fmt: skip
NAME = "tinygan"  # of the error handler
COMMANDS = {"train.py": "train", "evaluate.py": "evaluate", "data_prep.py": "data"}  # the scripts' names in the package

_command: list[str] = []  # what the program was started as, where that was not a script


def printable(text: object) -> str:
    r"""``text`` as one line: control characters, other invisible ones and undecodable bytes as escapes.

    >>> printable("a\x1b[31m\nb\udcf6")
    'a\\x1b[31m\\nb\\udcf6'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def started_as(*words: str) -> list[str]:
    """The words that this program was started with: the script's path, or ``tinygan train`` after that was set."""
    _command[:] = words or _command
    return _command or sys.argv[:1]


def as_called(text: str) -> str:
    """``text`` with the scripts under the names that the command ``tinygan`` has for them, where that was started."""
    if not _command:
        return text
    return re.sub(rf"(?<![\w/.-])({'|'.join(COMMANDS)})\b", lambda found: f"{_command[0]} {COMMANDS[found[0]]}", text)


def how_to_install(extra: str) -> str:
    """What puts one of tinygan's extras into the Python that runs; double quotes mean the same to every shell.

    >>> how_to_install("onnx").split(" -m ")[1]
    'pip install -e ".[onnx]"'
    """
    return f'in tinygan\'s folder run {sys.executable} -m pip install -e ".[{extra}]"'


def did_you_mean(typed: str, known: Iterable[str]) -> str:
    """The most similar of ``known`` as a question in parentheses, or nothing.

    >>> did_you_mean("--lerning-rate", ["--learning-rate", "--seed"])
    ' (did you mean --learning-rate?)'
    """
    close = difflib.get_close_matches(typed, list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]}?)" if close else ""


def say(*lines: object, file: TextIO | None = None) -> None:
    """Print each of ``lines`` as a line, on standard output or ``file``, at once."""
    print(*(as_called(printable(line)) for line in lines), sep="\n", file=file, flush=True)


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
