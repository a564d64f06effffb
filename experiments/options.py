"""What every experiment can be told."""

import argparse
import os
from pathlib import Path

from tinygan.cli.parser import OneLineParser, add_number, add_path, filled, numbers
from tinygan.data import DATASETS
from tinygan.device import DEVICES
from tinygan.errors import UsageError
from tinygan.output import check_output


def build_parser(name: str, description: str) -> OneLineParser:
    """The options that all experiments have."""
    example = f"python -m experiments.{name} --data-dir data/cifar10 --iterations 10000 --seeds 0,1"
    parser = OneLineParser(prog=f"experiments.{name}", description=description, examples=(example,))
    text = "what the models learn, as for train.py (default: %(default)s)"
    parser.add_argument("--dataset", choices=DATASETS, default="cifar10", help=text)
    parser.add_argument("--data-dir", type=filled("--data-dir"), metavar="DIR", help="where the data set lies")
    add_number(parser, "iterations", None, "iterations of each run", required=True)
    add_number(parser, "interleave", None, "all runs in turn by N iterations (default: one by one)")
    add_number(parser, "minutes", None, "end after this time with what there is (default: when all is done)")
    add_number(parser, "test_every", 1000, "iterations between running tests")
    add_number(parser, "steps", 2000, "steps of the final test")
    add_number(parser, "count", None, "images of the final test, the first of its set (default: all)")
    text = "seeds of the runs: all models from each (default: 0)"
    parser.add_argument("--seeds", type=numbers("seeds", "seed"), default=[0], metavar="A,B", help=text)
    text = "auto takes the GPU if there is a usable one (default: %(default)s)"
    parser.add_argument("--device", choices=DEVICES, default="auto", help=text)
    text = "a page, written anew after each round"
    add_path(parser, "--report", "FILE", text)
    folder = name.replace("_", "-")
    for option, parent, text in (("--out", "runs", "run folders"), ("--results", "results", "what is kept")):
        text += " (default: %(default)s)"
        add_path(parser, option, "DIR", text, default=Path(parent) / folder)
    return parser


def parse(name: str, description: str, arguments: list[str]) -> argparse.Namespace:
    """The options of an experiment, which fit together."""
    options = build_parser(name, description).parse_args(arguments)
    if not 1 <= options.test_every <= options.iterations:
        raise UsageError(
            f"--iterations {options.iterations} leaves no running test with --test-every {options.test_every}: give "
            f"--test-every {min(1000, options.iterations)}, say"
        )
    if os.path.realpath(options.results) == os.path.realpath(options.out):
        raise UsageError(f"--results {options.results} is where the runs are: give another folder")
    if options.report:
        check_output(options.report, "--report")
    return options
