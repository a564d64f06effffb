"""What a GPU session wants to know of the device, as JSON:

    python -m benchmarks.gpu_measure constants --out FILE

device     its name, and the versions of what it runs on
constants  those of the model of gpu_model.py that are guesses: what a kernel costs that does nothing, how long a load
           waits, how fast memory is; by the names of the options of gpu_bill
nodes      operations and time of the captured step, several of them
bill       the same steps by the model, with its assumptions and with the ``constants.json`` beside FILE; needs no GPU
"""

if __name__ == "__main__":  # first of all, since the imports take a second
    from tinygan.signals import begin_script

    begin_script()

import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import numpy as np

from benchmarks import command, machine
from benchmarks.gpu_model import ADDITION, AHEAD, Assumptions
from benchmarks.peers.own import Tinygan
from benchmarks.workload import CODE_SIZES, Workload
from tinygan.cli.parser import OneLineParser
from tinygan.device import Backend, open_backend, why_no_gpu
from tinygan.errors import TinyganError, run_script
from tinygan.ops.cuda.launch import launch
from tinygan.runtime.graph import WARM_UPS, Replay, node_count
from tinygan.text import say

LIBRARIES = ("cupy", "cuda", "nvidia-", "numpy", "torch", "jax")  # beginnings of the packages that a device runs on
NODES = 200  # of a graph whose kernels do nothing worth mentioning
ROWS, COLUMNS = 2048, 256  # of a sum by one block: its loads wait for L2, and are few enough for one processor
IN_L2, IN_MEMORY = 2**21, 2**27  # floats that are read and written
L2_ROUNDS = 50  # in one graph, whose launch takes longer than one of them
WARM, TURN, TURNS = 0.5, 0.1, 5  # seconds until clocks have risen, seconds of a turn, turns
STEPS = {  # size, norm, schedule
    "32 wn shared": (32, "wn", "shared"),
    "32 wn alternating": (32, "wn", "alternating"),
    "32 bn shared": (32, "bn", "shared"),
    "32 none shared": (32, "none", "shared"),
    "160 wn shared": (160, "wn", "shared"),
}
NOT_TIMED = ("gather_images", "record_losses")  # the step of a benchmark is given its images, and hands its losses out


def device() -> dict:
    """Name and versions; says why where there is no GPU."""
    backend = open_backend("auto", "auto")
    found = {"description": backend.description, "obstacle": why_no_gpu(), "commit": machine.commit()}
    if backend.device == "gpu":
        runtime = backend.xp.cuda.runtime
        found["CUDA"] = {"driver": runtime.driverGetVersion(), "runtime": runtime.runtimeGetVersion()}
    packages = {(one.metadata["Name"] or "").lower(): one.version for one in metadata.distributions()}
    found["packages"] = {name: packages[name] for name in sorted(packages) if name.startswith(LIBRARIES)}
    return found | {"host": machine.description()}


def constants() -> dict:
    """The model's constants, in seconds and bytes per second."""
    backend = open_backend("gpu", "float32")
    xp = backend.xp
    small = xp.zeros(32, np.float32)
    floor = _seconds(backend, lambda: [small.__iadd__(1) for _ in range(NODES)]) / NODES
    x, sums = xp.ones((ROWS, COLUMNS), np.float32), xp.zeros((1, COLUMNS), np.float32)
    one_block = _seconds(backend, lambda: launch("sums", "column_sums", COLUMNS, x, ROWS, COLUMNS, 1, sums))
    found = {"floor": floor, "l2_latency": (one_block - floor) / (ROWS / AHEAD) - AHEAD * ADDITION}
    for name, floats, times in (("l2_bandwidth", IN_L2, L2_ROUNDS), ("memory_bandwidth", IN_MEMORY, 1)):
        y = xp.zeros(min(floats, backend.free_memory() // 16), np.float32)
        seconds = _seconds(backend, lambda y=y, times=times: [y.__iadd__(1) for _ in range(times)]) / times
        found[name] = 2 * y.nbytes / (seconds - floor)
    return found


def nodes(steps: dict[str, Workload]) -> dict:
    """Of each step: nodes of its graph, and milliseconds of a replay."""
    found = {}
    for name, work in steps.items():
        timed = Tinygan(work, work.inputs())
        seconds = _replayed(timed.backend, timed.replay)
        found[name] = {"nodes": node_count(timed.replay.graph), "ms": 1e3 * seconds}
        timed.replay.close()
    return found


def bill(steps: dict[str, Workload], measured: dict) -> dict:
    """Of each step: nodes, and milliseconds by the model's own constants and by ``measured`` ones."""
    from benchmarks import gpu_bill  # with the stand-in for CuPy, which must not meet the real one

    found = {}
    for name, work in steps.items():
        operations = [node for node in gpu_bill.operations(work) if node.name not in NOT_TIMED]
        assumed, known = (
            1e3 * gpu_bill.total(gpu_bill.bill(operations, constants)).seconds
            for constants in (Assumptions(), Assumptions(**measured))
        )
        found[name] = {"nodes": len(operations), "ms": assumed, "ms with measured constants": known}
    return found


def workloads() -> dict[str, Workload]:
    """The steps that are counted, by their names."""
    return {
        name: Workload("gpu", size, norm, 32, schedule, CODE_SIZES[size], 64, "tf32")
        for name, (size, norm, schedule) in STEPS.items()
    }


def _seconds(backend: Backend, work: Callable[[], object]) -> float:
    """Of ``work``, captured and replayed."""

    def refuse(obstacle: str) -> None:
        raise TinyganError(obstacle)

    replay = Replay(backend.xp, work, refuse)
    seconds = _replayed(backend, replay)
    replay.close()
    return seconds


def _replayed(backend: Backend, replay: Replay) -> float:
    """Seconds of a replay, many of them one after the other: the median of some turns."""
    wait = backend.xp.cuda.get_current_stream().synchronize

    def of_each(times: int) -> float:
        started = time.perf_counter()
        for _ in range(times):
            replay()
        wait()
        return (time.perf_counter() - started) / times

    until, seconds = time.monotonic() + WARM, of_each(WARM_UPS + 3)
    while time.monotonic() < until:
        seconds = of_each(10)
    return statistics.median(of_each(max(1, round(TURN / seconds))) for _ in range(TURNS))


def build_parser() -> OneLineParser:
    """What to measure, and where the figures go."""
    parser = command.parser("gpu_measure", __doc__, "nodes --out nodes.json")
    parser.add_argument("what", choices=("device", "constants", "nodes", "bill"), help="see benchmarks/gpu_measure.py")
    command.add_out(parser, required=True)
    return parser


def main(arguments: list[str]) -> None:
    """Measure, write the figures, and print them."""
    options = build_parser().parse_args(arguments)
    if options.what in ("constants", "nodes"):
        command.need_gpu(f"{options.what} cannot be measured here")
    beside = Path(options.out).with_name("constants.json")
    measured = json.loads(beside.read_text()) if options.what == "bill" and beside.exists() else {}
    measure = {
        "device": device,
        "constants": constants,
        "nodes": lambda: nodes(workloads()),
        "bill": lambda: bill(workloads(), measured),
    }
    found = measure[options.what]()
    command.write_json(options.out, found)
    if found.get("obstacle") and importlib.util.find_spec("cupy"):
        raise TinyganError(found["obstacle"])
    say(*json.dumps(found, indent=1).split("\n"))


if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
