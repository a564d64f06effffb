"""What every experiment can be told."""

import argparse
from pathlib import Path

from tinygan.cli import OneLineParser
from tinygan.errors import UsageError


def parse(name: str, description: str, arguments: list[str]) -> argparse.Namespace:
    """The options that all experiments have."""
    folder = name.replace("_", "-")
    parser = OneLineParser(prog=f"experiments.{name}", description=description)
    parser.add_argument("--dataset", default="cifar10", help="(default: %(default)s)")
    parser.add_argument("--data-dir", metavar="DIR", help="where the data set lies")
    parser.add_argument("--iterations", type=int, required=True, metavar="N", help="of each run")
    parser.add_argument(
        "--interleave", type=int, metavar="N", help="all runs in turn by N iterations (default: one by one)"
    )
    parser.add_argument("--minutes", type=float, metavar="M", help="end after this time with what there is")
    parser.add_argument("--seeds", type=seeds, default=(0,), metavar="A,B", help="(default: 0)")
    parser.add_argument(
        "--test-every",
        type=int,
        default=1000,
        metavar="N",
        help="iterations between running tests (default: %(default)s)",
    )
    parser.add_argument("--steps", type=int, default=2000, metavar="N", help="of the final test (default: %(default)s)")
    parser.add_argument(
        "--count", type=int, metavar="N", help="images of the final test, the first of its set (default: all)"
    )
    parser.add_argument("--device", default="auto", help="(default: %(default)s)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="a page, written anew after each round")
    parser.add_argument("--out", type=Path, default=Path("runs") / folder, help="run folders (default: %(default)s)")
    parser.add_argument(
        "--results", type=Path, default=Path("results") / folder, help="what is kept (default: %(default)s)"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    options = parser.parse_args(arguments)
    if not 1 <= options.test_every <= options.iterations:
        raise UsageError(
            f"--iterations {options.iterations} leaves no running test: give at least {options.test_every}"
        )
    for name in ("count", "interleave", "minutes"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise UsageError(f"--{name} is {value}: it must be more than 0")
    if options.results.resolve() == options.out.resolve():
        raise UsageError(f"--results {options.results} is where the runs are: give another folder")
    return options


def seeds(text: str) -> tuple[int, ...]:
    """``0,1,2`` to numbers."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--seeds {text!r}: write numbers with commas, as in 0,1,2") from None
