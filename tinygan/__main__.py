"""The command ``tinygan``, also as ``python -m tinygan``: train.py, evaluate.py and data_prep.py under one name."""

import importlib
import sys

from tinygan.signals import begin_script


def main(arguments: list[str]) -> None:
    """Hand the rest of ``arguments`` to the command that the first one names."""
    from tinygan.cli.parser import OneLineParser
    from tinygan.text import started_as

    started_as("tinygan")
    parser = OneLineParser(
        prog="tinygan",
        description="Weight-normalised GANs from scratch: train one, look at what it has learnt, prepare data.",
        examples=(
            "train.py --norm wn",
            "evaluate.py report latest --out report.html",
            "data_prep.py info data/celeba160",
        ),
    )
    parser.add_argument("command", choices=("train", "evaluate", "data"), help="what to do; each takes --help")
    name = parser.parse_args(arguments[:1]).command
    started_as("tinygan", name)
    importlib.import_module(f"tinygan.cli.{name}").main(arguments[1:])


def run() -> int:
    """What the installed command runs: its exit code."""
    begin_script()
    from tinygan.runtime.launched import run_script

    return run_script(main, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(run())
