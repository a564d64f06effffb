"""What a person can put right: one line that names the thing and the remedy, and the exit code of a script."""

import contextlib
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from tinygan.ranges import largest_typed
from tinygan.signals import main_runs
from tinygan.text import did_you_mean, prepare_streams, say


class TinyganError(Exception):
    """Something outside the code is wrong (a file, the disk, the device, the run itself). Exit code 1."""

    exit_code = 1


class UsageError(TinyganError):
    """The options given are wrong or do not fit together. Exit code 2."""

    exit_code = 2


class InputError(TinyganError, ValueError):
    """An array does not fit what it was given to: a layer's input, a loss's target. Exit code 1."""


class Choices(dict[str, Any]):
    """What can be chosen by its name; UsageError, with the likely one, for a name that it does not have."""

    def __init__(self, kind: str, entries: dict[str, Any]):
        super().__init__(entries)
        self.kind = kind

    def __missing__(self, name: str) -> NoReturn:
        similar = did_you_mean(str(name), self)
        raise UsageError(f"unknown {self.kind} {name!r}{similar}: choose one of {', '.join(self)}")


class NonFiniteError(TinyganError):
    """A loss or a parameter became infinite or not a number. Exit code 1."""


class Stopped(TinyganError):
    """A signal asked the program to stop and everything was saved. Exit code 128 + signal number."""

    def __init__(self, message: str, signal_number: int):
        super().__init__(message)
        self.exit_code = 128 + signal_number


def run_script(main: Callable[[list[str]], None], arguments: list[str]) -> int:
    """Run a script's ``main`` and return its exit code, every expected failure as one line on standard error.

    Expected are also errors of the operating system (a full disk, no permission), too little memory, and a stop that
    was asked for, which is not called an error; any other exception is a defect of tinygan and is shown whole.
    ``--debug`` among the arguments shows the traceback as well.
    """
    prepare_streams()
    try:
        with main_runs():
            main(arguments)
            sys.stdout.flush()
        return 0
    except TinyganError as error:
        caught, exit_code, line = error, error.exit_code, str(error)
    except OSError as error:
        caught, exit_code, line = error, 1, f"{error.filename or 'operating system'}: {error.strerror or error}"
    except MemoryError as error:  # CuPy's OutOfMemoryError is one too
        how_much = f" ({error})" if str(error) else ""
        caught, exit_code, line = error, 1, f"not enough memory{how_much}: {_less_memory(arguments, error)}"
    except KeyboardInterrupt as error:
        caught, exit_code, line = error, 130, "interrupted"
    if "--debug" in arguments:
        traceback.print_exception(caught)
    prefix = "" if isinstance(caught, Stopped | KeyboardInterrupt) else "error: "
    with contextlib.suppress(OSError):  # whoever read it has gone, as head does
        say(f"{prefix}{' '.join(line.split())}", file=sys.stderr)
    drop_unwritten()
    return exit_code


def drop_unwritten() -> None:
    """Let go of output that cannot be written, and of all that follows: Python would try again, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _less_memory(arguments: list[str], error: MemoryError) -> str:
    """The remedy: a smaller size, where one was typed; else the error's last note, where it has one."""
    typed = None if "--resume" in arguments else largest_typed(arguments)  # a resumed run keeps its sizes
    notes = getattr(error, "__notes__", ["end other programs, or take a machine with more of it"])
    return f"give less than {typed}" if typed else notes[-1]
