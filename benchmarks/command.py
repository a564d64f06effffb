"""What the commands of this folder share: the parser, a GPU that has to be there, and figures in a JSON file."""

import json
from pathlib import Path

from tinygan.cli.parser import OneLineParser, add_path
from tinygan.device import why_no_gpu
from tinygan.errors import TinyganError
from tinygan.output import write_output


def parser(name: str, about: str | None, example: str = "") -> OneLineParser:
    """Of ``benchmarks.<name>``: described by the first line of its docstring, ``about``, with typed options to copy."""
    command = f"benchmarks.{name}"
    about = (about or "").splitlines()[0].rstrip(":")
    return OneLineParser(prog=command, description=about, examples=(f"python -m {command} {example}".rstrip(),))


def add_out(made: OneLineParser, text: str = "where the figures go, as JSON", required: bool = False) -> None:
    """The option ``--out``."""
    add_path(made, "--out", "FILE", text, required=required)


def need_gpu(what: str) -> None:
    """TinyganError that says why ``what`` cannot be, where there is no GPU."""
    if obstacle := why_no_gpu():
        raise TinyganError(f"{what}: {obstacle}")


def write_json(file: Path, found: dict) -> None:
    """Write the figures, in a folder that is made where it is missing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_output(file, (json.dumps(found, indent=1) + "\n").encode())
