"""All the work that waits for a GPU, in steps that each fit into a call of ten minutes:

    python -m benchmarks.gpu_session --out DIR --data-dir CIFAR10 --steps device
    python -m benchmarks.gpu_session --out DIR --data-dir CIFAR10 --steps kernels      and so on, in this order:

device       its name and versions; whether the tests can be collected there
kernels      the tests of kernels, products, graphs and streams, each file in a process of its own
training     those of whole steps and trainings
memcheck     the kernels' tests under compute-sanitizer, where it is installed
measure      the constants of the model of the step's time, nodes and time of captured steps, and the model's figures
step         benchmarks.step beside PyTorch, at 32 and 160 pixels
profile      benchmarks.profile of the same steps
ranks        benchmarks.ncclstep: what a rank of one with NCCL costs
candidates   benchmarks.candidates.implicit: the convolution without patches beside the package's
train        the main job on CIFAR-10 (without --data-dir: on shapes), each norm for 2,000 iterations
reconstruct  the final test of the run with weight norm, timed
models       experiments.three_models, for --minutes; again, and it goes on

Every command has a process and a limit of time of its own, and the next is begun however it ends. DIR/SUMMARY.md is
written anew after each, from all that was ever run in DIR. DIR holds eight files at most, to be carried home (cp
DIR/*.* HOME): the page, sample grids, and an archive of everything else but checkpoints. It lies unpacked in DIR/work;
unpacked in another DIR, the session goes on there. Where a call is cut off, ``timeout -s TERM 580`` before the command
ends it in order. ``--rehearse`` runs the same on the CPU, as small as can be.
"""

if __name__ == "__main__":  # first of all, since the imports take a second
    from tinygan.signals import begin_script

    begin_script()

import argparse
import json
import shutil
import signal
import sys
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import command, machine, watched
from benchmarks.gpu_plan import STEPS, TRAINED, Part, Setting
from benchmarks.gpu_summary import summary
from tinygan.cli.parser import OneLineParser, filled, number, path
from tinygan.errors import Stopped, TinyganError, UsageError, run_script
from tinygan.files import write_atomically
from tinygan.jsonfile import read_json
from tinygan.models.norms import NORMS
from tinygan.report.pictures import numbered
from tinygan.signals import StopRequest
from tinygan.text import did_you_mean, say

RECORD, ARCHIVE, PAGE = "session.json", "results.tar.gz", "SUMMARY.md"
ASK = "from tinygan.device import why_no_gpu; print('obstacle:', why_no_gpu() or '')"
PATIENCE = 60  # seconds for the device's first answer
FIRST_PATIENCE = 150  # where nothing of CUDA has been read from the disk yet
NOT_PACKED = (".safetensors", ".part")


def build_parser() -> OneLineParser:
    """Which steps, on which data, and where the results go."""
    parser = command.parser("gpu_session", __doc__, "--out build/gpu --data-dir data/cifar10 --steps device")
    text = "where everything is written and kept from call to call"
    parser.add_argument("--out", type=path("--out"), required=True, metavar="DIR", help=text)
    text = "CIFAR-10 (default: train on shapes)"
    parser.add_argument("--data-dir", type=filled("--data-dir"), metavar="DIR", help=text)
    text = "which of them (default: %(default)s)"
    parser.add_argument("--steps", default=",".join(STEPS), metavar="A,B", help=text)
    text = "of each run in models (default: %(default)s)"
    parser.add_argument("--iterations", type=number("iterations"), default=5000, metavar="N", help=text)
    text = "that models may take (default: %(default)s)"
    parser.add_argument("--minutes", type=number("minutes"), default=7, metavar="N", help=text)
    text = "the same on the CPU and the stand-in for CuPy, as small as can be; no figure of it means anything"
    parser.add_argument("--rehearse", action="store_true", help=text)
    return parser


def main(arguments: list[str]) -> None:
    """Run the chosen steps; TinyganError if there is no GPU or a command did not end well."""
    options = build_parser().parse_args(arguments)
    steps = options.steps.split(",")
    for name in steps:
        if name not in STEPS:
            raise UsageError(f"--steps: {name!r} is unknown{did_you_mean(name, STEPS)}: choose from {', '.join(STEPS)}")
    work = options.out / "work"
    work.mkdir(parents=True, exist_ok=True)
    setting = Setting(work.resolve(), options.data_dir, options.iterations, options.minutes, options.rehearse)
    with StopRequest() as stop:
        if not options.rehearse:
            refuse_without_gpu(work, FIRST_PATIENCE if steps[0] == "device" else PATIENCE, stop.asked)
        failed = [part.name for name in steps for part in STEPS[name](setting) if not done(part, options, stop.asked)]
    if stop.asked():
        raise Stopped(
            f"stopped by {signal.Signals(stop.number).name}; what was run is in {options.out / PAGE}", stop.number
        )
    if failed:
        raise TinyganError(f"did not end well: {', '.join(failed)}; see {options.out / PAGE}")
    say(options.out / PAGE)


def refuse_without_gpu(work: Path, patience: float, stop: Callable[[], bool]) -> None:
    """TinyganError where no step could run. Asked in another process: a device that hangs would hang this one."""
    asked = watched.run([sys.executable, "-c", ASK], work / "obstacle.log", patience, stop)
    said = [line.removeprefix("obstacle: ") for line in asked.last if line.startswith("obstacle:")]
    if asked.status == "passed" and said == [""]:
        return
    if asked.status != "stopped":
        why = said[-1] if said and said[-1] else f"it was asked for {asked.seconds:.0f} s: {asked.status}"
        raise TinyganError(f"no GPU session here: {why}")


def done(part: Part, options: argparse.Namespace, stop: Callable[[], bool]) -> bool:
    """Run one part, and bring record, archive and page up to date; whether it ended well or could not be run."""
    if stop():
        return True
    work = options.out / "work"
    record = read_record(work)
    entry = {"step": part.step, "limit": part.limit, "rehearsed": options.rehearse, "commit": machine.commit()}
    entry["when"] = datetime.now(UTC).isoformat(timespec="seconds")
    if part.command is None:
        outcome = watched.Outcome("left out", None, 0.0, [part.why])
    else:
        outcome = watched.run(part.command, work / f"{part.name}.log", part.limit, stop)
    record[part.name] = entry | outcome._asdict() | {"command": part.command}
    say(f"{part.name}: {outcome.status}, {outcome.seconds:.1f} s")
    write_atomically(work / RECORD, json.dumps(record, indent=1).encode())
    keep_pictures(options.out)
    write_atomically(options.out / ARCHIVE, lambda file: pack(options.out, file))
    write_atomically(options.out / PAGE, summary(record, options.out).encode())
    return outcome.status in ("passed", "left out")


def read_record(work: Path) -> dict[str, dict]:
    """What was run so far, by the part's name."""
    try:
        return read_json(work / RECORD, dict[str, dict], "delete it to begin the session anew")
    except FileNotFoundError:
        return {}


def keep_pictures(out: Path) -> None:
    """The last grid of each norm and the picture of the reconstructions, copied to where they are carried from."""
    for norm in NORMS:
        for run in sorted((out / "work" / "runs" / norm).glob("*"))[-1:]:
            for _, grid in numbered(run / "samples")[-1:]:
                shutil.copyfile(grid, out / f"samples-{norm}.png")
    for picture in sorted((out / "work" / "runs" / TRAINED).glob("*/evaluation/reconstruct-*.png"))[-1:]:
        shutil.copyfile(picture, out / "reconstructions.png")


def pack(out: Path, file) -> None:
    """Everything in ``work`` but checkpoints, as a tar archive."""
    with tarfile.open(fileobj=file, mode="w|gz") as archive:
        for one in sorted((out / "work").rglob("*")):
            if one.is_file() and one.suffix not in NOT_PACKED:
                archive.add(one, one.relative_to(out))


if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
