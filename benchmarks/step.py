"""tinygan's training step and others', side by side:

    python -m benchmarks.step --device cpu --size 32 --norm wn --peers torch,torch-channels-last,torch-compile

Every contender starts from the same weights and sees the same batch, which lies on the device as floats. Their losses
and all gradients are compared first; a peer that does not agree is not timed. Then tinygan and the peer run in turn,
A B A B, each in a process of its own that sleeps while the other works. Peak memory is that of a further, fresh process
of each. Ratios are tinygan's over the peer's. The table goes to standard output, everything to a JSON file.
"""

if __name__ == "__main__":  # first of all, since the imports take a second
    from tinygan.signals import begin_script

    begin_script()

import shlex
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks import command, limits, machine, pairing, parity, workload
from benchmarks.contender import Contender, ContenderError
from benchmarks.peers import PEERS, TINYGAN
from benchmarks.report import table
from benchmarks.workload import Workload
from tinygan.cli.parser import OneLineParser, number
from tinygan.device import PRECISIONS
from tinygan.errors import TinyganError, UsageError, run_script
from tinygan.text import did_you_mean, say

DEFAULT_PEERS = "torch,torch-channels-last,torch-allocator,torch-compile,torch-graph,jax"
RESULTS = Path(__file__).parent.parent / "results" / "benchmarks"


def build_parser() -> OneLineParser:
    """The workload, against whom, how often."""
    parser = command.parser("step", __doc__, "--norm wn --size 64 --peers torch,torch-channels-last")
    workload.add_arguments(parser)
    text = "whom to compare with, with commas (default: %(default)s)"
    parser.add_argument("--peers", default=DEFAULT_PEERS, metavar="A,B", help=text)
    text = "turns of each (default: %(default)s)"
    parser.add_argument("--pairs", type=number("pairs"), default=15, metavar="N", help=text)
    command.add_out(parser, "where the figures go, as JSON (default: a new file in results/benchmarks)")
    return parser


def main(arguments: list[str]) -> None:
    """Measure against each peer, print the table, write the JSON."""
    options = build_parser().parse_args(arguments)
    work, peers = workload.from_arguments(options), chosen_peers(options.peers)
    if work.device == "gpu":
        command.need_gpu("--device gpu")
    now = datetime.now(UTC)
    name = f"step-{work.device}-{work.model}-{work.size}-{work.norm}-{work.schedule}-{now:%Y%m%d-%H%M%S}.json"
    out = options.out or RESULTS / name
    typed = f"python -m benchmarks.step {shlex.join(arguments)}"
    asked = {"command": typed, "started": now.isoformat(timespec="seconds")}
    for result in measured(work, peers, options.pairs):
        command.write_json(out, result | asked)
    result |= asked
    say(*table(result).split("\n"), f"written to {out}")


def chosen_peers(text: str) -> list[str]:
    """Names from a comma-separated list; UsageError for an unknown one."""
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in PEERS:
            raise UsageError(f"unknown peer {name!r}{did_you_mean(name, PEERS)}: choose from {', '.join(PEERS)}")
    return names


def measured(work: Workload, peers: list[str], pairs: int) -> Iterator[dict]:
    """What the JSON holds, but when and how it was asked for: so much as there is after each peer, then all."""
    result = {
        "workload": work.to_json(),
        "machine": machine.description(),
        "commit": machine.commit(),
        "least_work": limits.step_work(work, np.dtype(PRECISIONS[work.precision]).itemsize)._asdict(),
    }
    progress(work.title())
    before = rates(work)
    result["machine"] |= before
    with Contender(TINYGAN, work) as ours:
        try:
            result["tinygan"] = {"versions": ours.ask("start")}
            reference = ours.ask("observe")
        except ContenderError as error:
            raise TinyganError(f"tinygan's own step failed: {error}") from error
        result["tinygan"]["peak_memory"] = peak_memory(TINYGAN, work)
        result["peers"] = []
        for name in peers:
            result["peers"].append(against(ours, reference, name, work, pairs))
            yield result
    # The limit is what the machine can do; whatever else ran on it may have slowed one of the two measurements.
    after = rates(work)
    result["machine"] |= {name: max(before[name], after[name]) for name in ("flops", "bytes")}
    yield result


def against(ours: Contender, reference: list[dict], name: str, work: Workload, pairs: int) -> dict:
    """One peer: its status (timed, disagrees, unavailable, failed), and the reason or the figures."""
    progress(f"{name} ...")
    entry: dict = {"name": name}
    try:
        with Contender(name, work) as theirs:
            entry["versions"] = theirs.ask("start")
            errors = parity.disagreement(reference, theirs.ask("observe"))
            entry["parity"] = {
                name: {"error": error, "tolerance": parity.tolerance(name, work.precision)}
                for name, error in errors.items()
            }
            wrong = parity.worst(errors, work.precision)
            if wrong:
                return entry | {"status": "disagrees", "why": f"{wrong[0]} is off by {wrong[1]:.2g}"}
            idle = IdleWatch(ours, theirs)
            entry |= pairing.in_turn(idle.watched(0), idle.watched(1), pairs)
            entry["idle_processor_share"] = idle.share()
        return entry | {"status": "timed", "peak_memory": peak_memory(name, work)}
    except ContenderError as error:
        return entry | {"status": "unavailable" if error.unavailable else "failed", "why": str(error)}


class IdleWatch:
    """Of two contenders that run in turn: how busy the one was whose turn it was not."""

    def __init__(self, *contenders: Contender):
        self.contenders = contenders
        self.idle = self.elapsed = 0.0

    def watched(self, index: int):
        """The run function of one of them."""
        active, waiting = self.contenders[index], self.contenders[1 - index]

        def run(steps: int) -> float:
            before, started = waiting.processor_seconds(), time.monotonic()
            seconds = active.ask("run", steps)
            if before is not None:
                self.idle += waiting.processor_seconds() - before
                self.elapsed += time.monotonic() - started
            return seconds

        return run

    def share(self) -> float | None:
        """Processor time of the waiting one over the time of the turns; None where it is not known."""
        return self.idle / self.elapsed if self.elapsed else None


def rates(work: Workload) -> dict:
    """Of the machine, by a process that does nothing else."""
    with Contender(TINYGAN, work) as alone:
        return alone.ask("rates")


def peak_memory(name: str, work: Workload) -> int:
    """Bytes, of a fresh process that does nothing else."""
    with Contender(name, work) as alone:
        alone.ask("start")
        return alone.ask("memory")


def progress(line: str) -> None:
    """Show it on standard error."""
    say(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
