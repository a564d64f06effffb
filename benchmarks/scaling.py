"""What more ranks bring: measured on this machine, and computed for many machines.

    python -m benchmarks.scaling --size 32 --norm wn

Measured: train.py by itself (all cores, as it comes) and by 1 to 4 ranks of mpiexec, images per second of each, and the
memory of all their processes. Counted: what a rank sends in an iteration, by running the step with an engine that
writes down what it is asked for. Computed from these: 1 to 1,024 ranks on three kinds of network. The assumptions are
printed with the table.
"""

if __name__ == "__main__":  # first of all, since the imports take a second
    from tinygan.signals import begin_script

    begin_script()

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import command, machine
from benchmarks.scalingmodel import LINKS, RANKS, Counted, iteration_seconds, plot, sent, table
from tinygan.cli.parser import OneLineParser
from tinygan.device import open_backend
from tinygan.errors import TinyganError, run_script
from tinygan.models.norms import NORMS
from tinygan.output import write_output
from tinygan.rng import rng_for
from tinygan.runtime.collectives import all_gather, joined
from tinygan.runtime.threads import use_all_cores
from tinygan.text import say
from tinygan.training.options import Options
from tinygan.training.recorded_step import RecordedGame
from tinygan.training.session import build_game
from tinygan.training.step import SCHEDULES

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results" / "benchmarks"
BATCH = 32
ITERATIONS = {32: 40, 64: 24, 160: 8}
SHARDS = (32, 16, 8, 4, 2)  # images of a rank; a batch of one image says little about a line through the others
TURNS = 5


def build_parser() -> OneLineParser:
    """The size and the kind of the networks."""
    parser = command.parser("scaling", __doc__, "--size 32 --norm wn")
    parser.add_argument("--size", type=int, choices=tuple(ITERATIONS), default=32, help="side of the images")
    parser.add_argument("--norm", choices=NORMS, default="wn", help="normalisation, as for train.py")
    return parser


def main(arguments: list[str]) -> None:
    """Measure, count, compute; the table to standard output, all of it and the plot to results/benchmarks."""
    chosen = build_parser().parse_args(arguments)
    size, norm = chosen.size, chosen.norm
    options = Options(norm=norm, batch_size=BATCH, image_size=(size, size), code_size=256 if size == 160 else 128)
    measured = {ranks: run(options, ranks) for ranks in (0, 1, 2, 3, 4)}
    fixed, per_image, calls = shard_costs(options)
    result = {
        "machine": machine.description() | {"load": os.getloadavg()},
        "commit": machine.commit(),
        "size": size,
        "norm": norm,
        "measured": measured,
        "seconds": {"fixed": fixed, "per_image": per_image},
        "calls": calls,
        "sent": {ranks: sent(calls, ranks) for ranks in RANKS},
        "computed": {
            link: {ranks: iteration_seconds(fixed, per_image, BATCH, calls, ranks, link) for ranks in RANKS}
            for link in LINKS
        },
    }
    say(*table(result, BATCH).split("\n"))
    file = RESULTS / f"scaling-{size}-{norm}.json"
    command.write_json(file, result)
    write_output(file.with_suffix(".svg"), plot(result, BATCH).encode())
    say(file, file.with_suffix(".svg"))


def run(options: Options, ranks: int) -> dict[str, float]:
    """``images_per_second`` (median of the log's lines but the first) and ``mib`` of train.py; 0 ranks: by itself."""
    size = options.image_size[0]
    iterations = ITERATIONS[size]
    command = ["mpiexec", "-n", str(ranks)] if ranks else []
    command += [sys.executable, "train.py", "--dataset", "shapes", "--norm", options.norm, "--image-size", str(size)]
    command += ["--code-size", str(options.code_size), "--batch-size", str(options.batch_size), "--device", "cpu"]
    command += ["--schedule", "shared", "--iterations", str(iterations), "--log-every", str(iterations // 4)]
    command += ["--test-every", "0", "--sample-every", "1000000"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with tempfile.TemporaryDirectory() as out:
        process = subprocess.Popen(
            [*command, "--out", out], cwd=ROOT, env=os.environ | {"PATH": path}, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, process_group=0,
        )  # fmt: skip
        most = 0
        try:
            while process.poll() is None:
                most = max(most, _memory(out))
                time.sleep(0.2)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        if process.returncode:
            raise TinyganError(f"{' '.join(command[:3])} failed: {process.stderr.read().strip()[-300:]}")
        log = next(Path(out).glob("*/log.jsonl")).read_text().splitlines()
    speeds = [json.loads(line)["images_per_second"] for line in log[1:]]
    return {"images_per_second": statistics.median(speeds), "mib": most / 2**20}


def shard_costs(options: Options) -> tuple[float, float, list[tuple[str, int]]]:
    """Seconds of a step on one thread as a + b·images, and what the step asks of the other ranks."""
    backend = open_backend("cpu", "float32")
    use_all_cores(1)
    game, code_batches = RecordedGame(*build_game(options, backend)), SCHEDULES["shared"].code_batches
    rng, H, W = rng_for(0, "scaling"), *options.image_size
    times, counted, calls = [], Counted(2), []
    for images in SHARDS:
        real = backend.to_device(rng.random((images, H, W, 3)))
        codes = backend.to_device(rng.standard_normal((code_batches, images, options.code_size)))
        turns = []
        for _ in range(TURNS):
            began = time.perf_counter()
            with joined(counted), np.errstate(all="ignore"):
                losses = game.step("shared", images / BATCH, real, codes, 0.0)
                all_gather(np.array(losses))
            turns.append(time.perf_counter() - began)
            calls = calls or list(counted.calls)  # the first step is recorded: the later ones ask for less
        times.append(min(turns))
    slope, fixed = np.polyfit(SHARDS, times, 1)
    return max(0.0, float(fixed)), float(slope), calls


def _memory(out: str) -> int:
    """Bytes of the processes that train into this folder, pages that they share counted once."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if out.encode() in (folder / "cmdline").read_bytes():
                lines = (folder / "smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        except (OSError, ValueError):  # it has ended
            continue
    return total


if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
