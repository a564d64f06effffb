"""What the commands of this folder share: the parser, a GPU that has to be there, and figures in a JSON file."""

import json
from contextlib import suppress
from pathlib import Path

from tinygan.cli.parser import OneLineParser, path
from tinygan.device import why_no_gpu
from tinygan.errors import TinyganError
from tinygan.output import check_output, write_output


def parser(name: str, about: str | None, example: str = "") -> OneLineParser:
    """Of ``benchmarks.<name>``: described by the first line of its docstring, ``about``, with typed options to copy."""
    command = f"benchmarks.{name}"
    about = (about or "").splitlines()[0].rstrip(":")
    return OneLineParser(prog=command, description=about, examples=(f"python -m {command} {example}".rstrip(),))


def add_out(made: OneLineParser, text: str = "where the figures go, as JSON", required: bool = False) -> None:
    """The option ``--out``: its folder is made, and a file that cannot be written refused, before measuring begins."""
    made.add_argument("--out", type=_new_file, metavar="FILE", help=text, required=required)


def _new_file(text: str) -> Path:
    file = path("--out", file=True)(text)
    with suppress(OSError):  # check_output says it better
        file.parent.mkdir(parents=True, exist_ok=True)
    check_output(file, "--out")
    return file


def need_gpu(what: str) -> None:
    """TinyganError that says why ``what`` cannot be, where there is no GPU."""
    if obstacle := why_no_gpu():
        raise TinyganError(f"{what}: {obstacle}")


def write_json(file: Path, found: dict) -> None:
    """Write the figures."""
    write_output(file, (json.dumps(found, indent=1) + "\n").encode())
