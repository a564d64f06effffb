"""Where the time of tinygan's training step goes: by layer and direction, and by operation.

    python -m benchmarks.profile --device cpu --size 32 --norm wn --schedule shared

The first table times every layer's passes and the updates, the device synchronised around each. The second counts, a
thousand times a second, which line of tinygan is being executed; on a GPU every launch then waits for its kernel
(CUDA_LAUNCH_BLOCKING), so that a line has its kernels' time. Both cost time themselves; the step's own time is above.
"""

if __name__ == "__main__":  # first of all, since the imports take a second
    from tinygan.signals import begin_script

    begin_script()

import shlex
import sys
from datetime import UTC, datetime

from benchmarks import command, machine, workload
from benchmarks.contender import Contender, ContenderError
from benchmarks.pairing import steps_per_turn, warm_up
from benchmarks.peers import TINYGAN
from benchmarks.workload import Workload
from tinygan.cli.parser import OneLineParser, number
from tinygan.errors import TinyganError, run_script
from tinygan.text import say

TURNS = 10  # of about a third of a second each, for every one of the three measurements
LINES = 25


def build_parser() -> OneLineParser:
    """The workload, and how much of the result."""
    parser = command.parser("profile", __doc__, "--norm bn --schedule alternating --lines 40")
    workload.add_arguments(parser)
    text = "of each measurement (default: about three seconds)"
    parser.add_argument("--steps", type=number("steps"), metavar="N", help=text)
    text = "of a table (default: %(default)s)"
    parser.add_argument("--lines", type=number("lines"), default=LINES, metavar="N", help=text)
    command.add_out(parser, "write everything there as JSON")
    return parser


def main(arguments: list[str]) -> None:
    """Measure, print both tables, write the JSON if asked to."""
    options = build_parser().parse_args(arguments)
    work = workload.from_arguments(options)
    if work.device == "gpu":
        command.need_gpu("--device gpu")
    result = measured(work, options.steps)
    result |= {
        "command": f"python -m benchmarks.profile {shlex.join(arguments)}",
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    say(*tables(result, work, options.lines).split("\n"))
    if options.out:
        command.write_json(options.out, result)


def measured(work: Workload, steps: int | None) -> dict:
    """Time of the step, rows by layer, rows by line; the lines in a process of their own."""
    try:
        with Contender(TINYGAN, work) as contender:
            versions = contender.ask("start")
            step = warm_up(lambda count: contender.ask("run", count))
            steps = steps or TURNS * steps_per_turn(step)
            seconds = contender.ask("run", steps)
            layers = contender.ask("layers", steps)
        with Contender(TINYGAN, work, {"CUDA_LAUNCH_BLOCKING": "1"}) as contender:
            contender.ask("start")
            contender.ask("eagerly")  # nothing is captured where every launch waits
            warm_up(lambda count: contender.ask("run", count))
            lines = contender.ask("lines", steps)
    except ContenderError as error:
        raise TinyganError(f"tinygan's own step failed: {error}") from error
    return {
        "workload": work.to_json(),
        "machine": machine.description(),
        "commit": machine.commit(),
        "versions": versions,
        "steps": steps,
        "ms": 1e3 * seconds,
        "layers": layers,
        "lines": lines,
    }


def tables(result: dict, work: Workload, lines: int) -> str:
    """Both tables, each cut after ``lines`` rows."""
    whole = sum(row["ms"] for row in result["layers"])
    text = [f"{work.title()}: {result['ms']:.4g} ms per step ({whole:.4g} ms with the layers timed)", ""]
    text.append(f"{'share':>6} {'ms':>9} {'calls':>6}  by layer")
    for row in result["layers"][:lines]:
        name = " ".join(part for part in (row["network"], row["layer"], row["what"]) if part)
        text.append(f"{row['ms'] / whole:>6.1%} {row['ms']:>9.4g} {row['calls']:>6.3g}  {name}")
    text += ["", f"{'share':>6}  by operation"]
    for row in result["lines"][:lines]:
        text.append(f"{row['share']:>6.1%}  {row['file']}:{row['line']}  {row['source']}")
    return "\n".join(text)


if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
