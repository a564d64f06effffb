"""What one training step asks of a GPU, operation by operation, without one:

    python -m benchmarks.gpu_bill --size 32 --norm wn --schedule shared

The step is captured on the stand-in for CuPy (tests/fakecupy.py), which records every operation of the device with its
arrays. The table has how often each occurs, its time by a model (benchmarks/gpu_model.py, whose assumptions are
options), bytes read and written, and the products' operations. ``--nodes`` lists all in their order; ``--candidate
implicit`` puts the convolution of benchmarks/candidates in the package's place.
"""

if __name__ == "__main__":  # first of all, since the imports take a second
    from tinygan.signals import begin_script

    begin_script()

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pytest

from benchmarks import command, gpu_model, workload
from benchmarks.candidates import bill as candidate
from benchmarks.candidates.convolution import in_place
from benchmarks.gpu_model import ASSUMPTIONS, Assumptions, Cost
from benchmarks.workload import Workload
from tests import fakecupy
from tests.fakecuda import Node
from tinygan import ops
from tinygan.device import Backend, open_backend
from tinygan.errors import run_script
from tinygan.ops.cuda import cublas
from tinygan.rng import rng_for
from tinygan.text import say
from tinygan.training.player import Player
from tinygan.training.step import SCHEDULES, Game


class Row(NamedTuple):
    """All operations of one name."""

    name: str
    nodes: int
    seconds: float
    bytes: float
    operations: float


def main(arguments: list[str]) -> None:
    """Record the step and print its bill."""
    parser = command.parser("gpu_bill", __doc__, "--size 32 --norm wn --schedule shared")
    workload.add_arguments(parser)
    parser.set_defaults(device="gpu")
    parser.add_argument("--nodes", action="store_true", help="list every operation in its order")
    text = "of benchmarks/candidates, in the place of the package's convolution"
    parser.add_argument("--candidate", choices=("implicit",), help=text)
    for field in ASSUMPTIONS:
        name = f"--{field.name.replace('_', '-')}"
        parser.add_argument(name, type=field.type, default=field.default, metavar="X", help="(default: %(default)g)")
    options = parser.parse_args(arguments)
    work = workload.from_arguments(options)
    device = Assumptions(**{field.name: getattr(options, field.name) for field in ASSUMPTIONS})
    with in_place() if options.candidate else contextlib.nullcontext():
        nodes = operations(work)
    cost = candidate.cost if options.candidate else gpu_model.cost
    if options.nodes:
        say(*(_line(node, cost(node, device)) for node in nodes), "")
    say(*table(work, bill(nodes, device, cost)).split("\n"))


def operations(work: Workload) -> list[Node]:
    """Every device operation of one step, images gathered and losses recorded as in training; nothing is computed."""
    schedule = SCHEDULES[work.schedule]
    with on_stand_in(work.precision) as backend:
        xp, size, real = backend.xp, (work.size, work.size), backend.dtype
        game = Game(*(Player(network, rng_for(0, "bill"), backend) for network in work.networks()))
        pixels, places = xp.zeros((work.batch, *size, 3), np.uint8), xp.zeros((work.batch, 4), np.int64)
        codes, rate = xp.zeros((schedule.code_batches, work.batch, work.code_size), real), xp.zeros((), real)
        row, rows = xp.zeros((), np.int64), xp.zeros((1, 3), real)

        def step():
            images = ops.gather_images(pixels, places, size, real)
            ops.record_losses(*schedule.step(game, images, codes, rate), row, rows)

        return recorded(backend, step)[0]


@contextlib.contextmanager
def on_stand_in(precision: str) -> Iterator[Backend]:
    """A backend on the stand-in for CuPy, with as much memory as is asked for."""
    with pytest.MonkeyPatch.context() as monkeypatch, np.errstate(all="ignore"):
        memory = fakecupy.install(monkeypatch).stand_in.device.memory
        memory.watched, memory.limit = False, 2**50
        monkeypatch.setattr("tinygan.device.why_no_gpu", lambda: None)
        yield open_backend("gpu", precision)


def recorded(backend: Backend, run: Callable) -> tuple[list[Node], object]:
    """What ``run`` asks of the stand-in, which is not carried out, and what it returned."""
    xp = backend.xp
    cublas.handle(xp)
    stream, pool = xp.cuda.get_current_stream(), xp.cuda.MemoryPool()
    with xp.cuda.using_allocator(pool.malloc):
        stream.begin_capture()
        result = run()
        return stream.end_capture().nodes, result


def bill(nodes: list[Node], device: Assumptions, cost: Callable[..., Cost] = gpu_model.cost) -> list[Row]:
    """One row per name, the longest first."""
    rows: dict[str, Row] = {}
    for node in nodes:
        name = {"gemm": "products", "kernel": node.name}.get(node.kind, f"cupy {node.name}")
        one, so_far = cost(node, device), rows.get(name, Row(name, 0, 0, 0, 0))
        rows[name] = Row(name, so_far.nodes + 1, *(a + b for a, b in zip(so_far[2:], one, strict=True)))
    return sorted(rows.values(), key=lambda row: -row.seconds)


def total(rows: list[Row]) -> Row:
    """All of it."""
    return Row("all", *(sum(values) for values in list(zip(*rows, strict=True))[1:]))


def table(work: Workload, rows: list[Row]) -> str:
    """The bill for people."""
    lines = [work.title(), f"{'':26} {'nodes':>6} {'µs':>9} {'share':>6} {'MB':>9} {'GFLOP':>8}   (modelled)"]
    whole = total(rows)
    for row in (*rows, whole):
        lines.append(
            f"{row.name:26} {row.nodes:>6} {1e6 * row.seconds:>9.1f} {row.seconds / whole.seconds:>6.1%} "
            f"{row.bytes / 1e6:>9.1f} {row.operations / 1e9:>8.2f}"
        )
    return "\n".join(lines)


def _line(node: Node, one: Cost) -> str:
    shapes = " ".join("×".join(map(str, shape)) or "1" for shape, _ in node.arrays)
    return f"{node.kind:7} {node.name:26} {1e6 * one.seconds:>8.1f} µs {one.bytes / 1e6:>9.3f} MB  {shapes}"


if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
