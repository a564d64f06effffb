"""What the scripts' command lines share."""

import argparse
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

import tinygan
from tinygan.errors import UsageError
from tinygan.ranges import RANGES, flag
from tinygan.text import as_called, did_you_mean
from tinygan.training.runfolder import run_called


class _EachOnce(argparse.Action):
    """Several paths, each once, whatever it is called."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        setattr(namespace, self.dest, list({os.path.realpath(path): path for path in values}.values()))


class OneLineParser(argparse.ArgumentParser):
    """Reports a typing error as one line with the likely correction, instead of the whole usage.

    Every parser has ``--version`` and ``--debug``, and says its ``examples`` at the end of ``--help``.
    """

    def __init__(self, *arguments, examples: Iterable[str] = (), **options):
        for name in ("prog", "description"):
            options[name] = as_called(options.get(name) or "") or None
        if examples:
            options["epilog"] = "\n  ".join(["examples:", *map(as_called, examples)])
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*arguments, **options)
        version = f"tinygan {tinygan.__version__}"
        self.add_argument("--version", action="version", version=version, help="print the version, and stop")
        self.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show an error's traceback")

    def add_run(self, several: bool = False, also: str = "") -> None:
        """The argument RUN: a run's folder as a path, or several; everywhere it may be ``latest``."""
        text = f"a run folder, or 'latest' for the newest one in runs{also}"
        how = {"nargs": "+", "action": _EachOnce} if several else {}
        self.add_argument("run", metavar="RUN", type=lambda name: run_called(filled("RUN")(name)), help=text, **how)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(f"{message}; see {self.prog} --help")

    def parse_known_args(self, args=None, namespace=None) -> tuple[argparse.Namespace, list[str]]:
        """As argparse does; but what is not known is refused here, where the options that it may mean are known."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            similar = did_you_mean(unknown[0].partition("=")[0], self._option_string_actions)
            self.error(f"unknown argument {unknown[0]!r}{similar}")
        return found, unknown

    def _get_values(self, action: argparse.Action, typed: list[str]) -> object:
        if action.option_strings and typed == ["--"]:  # argparse would drop it, and make the value an empty list
            raise UsageError(f"{action.option_strings[-1]} is '--': give a value, or leave it out")
        return super()._get_values(action, typed)

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.choices is not None and value not in action.choices:
            name = "/".join(action.option_strings) or action.metavar or action.dest
            choices = ", ".join(map(str, action.choices))
            similar = did_you_mean(str(value), map(str, action.choices))
            raise UsageError(f"{name} {value!r} is unknown{similar}: choose one of {choices}; see {self.prog} --help")


def number(name: str, within: str | None = None) -> Callable[[str], int | float]:
    """An argparse type: the option ``name`` in its range, that of the table's entry ``within`` if it is another."""
    numbers = RANGES[within or name]

    def read(text: str) -> int | float:
        try:
            return numbers.read(text)
        except ValueError:
            raise UsageError(f"{flag(name)} is {text!r}: give {numbers}") from None

    return read


def add_number(group: argparse._ActionsContainer, name: str, default: float | None, text: str, **how: object) -> None:
    """The option ``name``, a number in its range; ``how`` as of ``add_argument``."""
    text += "" if default is None else " (default: %(default)s)"
    group.add_argument(flag(name), type=number(name), default=default, metavar=metavar(name), help=text, **how)


def metavar(name: str) -> str:
    """What stands for the number of option ``name`` in ``--help``."""
    return {"learning_rate": "X", "max_skipped": "PERCENT"}.get(name, "N")


def add_path(group: argparse._ActionsContainer, option: str, metavar: str, text: str, **how: object) -> None:
    """The option ``option``, a path, of a file where ``metavar`` is FILE; ``how`` as of ``add_argument``."""
    group.add_argument(option, type=path(option, metavar == "FILE"), metavar=metavar, help=text, **how)


def numbers(name: str, within: str | None = None) -> Callable[[str], list[int]]:
    """An argparse type: whole numbers with commas between them, each in the range of :func:`number`."""
    one = number(name, within)

    def read(text: str) -> list[int]:
        if not re.fullmatch("[+-]?[0-9]+(,[+-]?[0-9]+)*", text):
            raise UsageError(f"{flag(name)} {text!r} is no list: write numbers with commas, as in 64,128,256")
        return [one(part) for part in text.split(",")]

    return read


def size(name: str) -> Callable[[str], tuple[int, int]]:
    """An argparse type: ``32`` or ``WIDTHxHEIGHT`` to (height, width)."""

    def read(text: str) -> tuple[int, int]:
        width, by, height = text.lower().partition("x")
        if not re.fullmatch("[+-]?[0-9]+", width) or (by and not re.fullmatch("[+-]?[0-9]+", height)):
            raise UsageError(f"{flag(name)} {text!r} is no size: write 64 or 178x218 (width x height)")
        return number(name)(height or width), number(name)(width)

    return read


def filled(name: str) -> Callable[[str], str]:
    """An argparse type: text that is not empty, as a forgotten variable in a shell script makes it."""

    def read(text: str) -> str:
        if not text.strip():
            raise UsageError(f"{name} is empty: give a value, or leave it out")
        return text

    return read


def path(name: str, file: bool = False) -> Callable[[str], Path]:
    """An argparse type: a path that is not empty; of a ``file``, one that does not end as a folder's does."""

    def read(text: str) -> Path:
        if file and text.endswith(("/", os.sep)):
            example = f"{text}FILE" if Path(text).is_dir() else text.rstrip("/" + os.sep)
            raise UsageError(f"{name} {text} ends as a folder's name does: name a file, such as {example}")
        return Path(filled(name)(text))

    return read
