"""A rank of one with NCCL in its captured step, in turn with the same step without: what the calls cost by themselves.

    python -m benchmarks.ncclstep --size 32 --out FILE

Needs a GPU, CuPy and NCCL; no MPI. JSON: nodes of both graphs, seconds of every turn, their ratios.
"""

if __name__ == "__main__":  # first of all, since the imports take a second
    from tinygan.signals import begin_script

    begin_script()

import sys
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks import command, machine, pairing
from benchmarks.peers.own import Tinygan
from benchmarks.workload import CODE_SIZES, Workload
from tinygan.cli.parser import OneLineParser
from tinygan.errors import run_script
from tinygan.runtime import nccl
from tinygan.runtime.collectives import joined
from tinygan.runtime.graph import node_count
from tinygan.text import say

PAIRS = 7


def build_parser() -> OneLineParser:
    """The size of the images, and where the figures go."""
    parser = command.parser("ncclstep", __doc__, "--size 160 --out nccl.json")
    parser.add_argument("--size", type=int, choices=tuple(CODE_SIZES), default=32, help="side of the images")
    command.add_out(parser, required=True)
    return parser


def main(arguments: list[str]) -> None:
    """Measure and write; TinyganError without a GPU or NCCL."""
    options = build_parser().parse_args(arguments)
    command.need_gpu("NCCL is for GPUs")
    size = options.size
    found = one_rank(Workload("gpu", size, "wn", 32, "shared", CODE_SIZES[size], 64, "tf32"))
    command.write_json(options.out, {"commit": machine.commit(), **found})
    say(f"{size}×{size}: nodes {found['nodes']}, time with NCCL over without {found['summary']['ratio']}")


def one_rank(work: Workload, pairs: int = PAIRS) -> dict:
    """Nodes of both graphs, and :func:`benchmarks.pairing.in_turn` of the step with NCCL and the one without."""
    inputs = work.inputs()
    with_nccl, without = (Tinygan(work, inputs) for _ in range(2))
    host = SimpleNamespace(size=1, rank=0, all_gather=lambda values: values[np.newaxis])
    engine = nccl.Collective(with_nccl.backend.xp, host, nccl.load_library().get_unique_id())

    def runner(step: Tinygan, rank_of: Any) -> pairing.Run:
        def run(steps: int) -> float:
            with joined(rank_of) if rank_of else nullcontext():
                return pairing.timed(step, steps)

        return run

    try:
        found = pairing.in_turn(runner(with_nccl, engine), runner(without, None), pairs)
        counts = {name: node_count(one.replay.graph) for name, one in (("nccl", with_nccl), ("without", without))}
    finally:
        for one in (with_nccl, without):  # the graphs first: NCCL waits for those that hold its calls
            one.replay.close()
        engine.close()
    return {"nodes": counts, **found}


if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
