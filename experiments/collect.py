"""Keep what is worth keeping of runs, without their checkpoints, as folders that can be compared and reported again.

    python -m experiments.collect RUN … --results results/cifar10-study

With ``--generators`` also the best generators alone, in float16 (about 2 MB each): ``generator-best.safetensors``, its
tensors by the names of the network's parameters and buffers, options and iteration in its metadata. ``load_generator``
opens such a file.
"""

import json
import os
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import safetensors.numpy

from tinygan.cli.parser import OneLineParser, add_path
from tinygan.errors import UsageError, run_script
from tinygan.evaluation.comparison import table, to_json
from tinygan.evaluation.generator import METADATA_KEY
from tinygan.evaluation.runsummary import RunSummary, read_run
from tinygan.files import write_atomically
from tinygan.report.pictures import numbered
from tinygan.text import say
from tinygan.training import checkpoint
from tinygan.training.runfolder import RunFolder


def build_parser() -> OneLineParser:
    """The runs, and where what is worth keeping of them goes."""
    example = "python -m experiments.collect runs/three-models/* --results results/three-models"
    parser = OneLineParser(prog="experiments.collect", description=__doc__.splitlines()[0], examples=(example,))
    parser.add_run(several=True)
    add_path(parser, "--results", "DIR", "where they are kept", required=True)
    parser.add_argument("--generators", action="store_true", help="the best generators too, alone and in float16")
    return parser


def main(arguments: list[str]) -> None:
    """Collect the runs named."""
    options = build_parser().parse_args(arguments)
    if os.path.realpath(options.results) in {os.path.dirname(os.path.realpath(run)) for run in options.run}:
        raise UsageError(f"--results {options.results} is where the runs are: give another folder")
    collect([read_run(run) for run in options.run], options.results)
    if options.generators:
        for run in options.run:
            keep_generator(RunFolder(run), options.results / run.resolve().name / "generator-best.safetensors")
    say(options.results)


def collect(runs: list[RunSummary], results: Path) -> None:
    """Copy config, log, results of tests, and the first, best and last pictures of each run; write table and JSON.

    UsageError if two of them have the same name, or one has that of another run that is kept there.
    """
    places: dict[Path, RunSummary] = {}
    for run in runs:
        name = run.folder.path.resolve().name
        if results / name in places:
            raise UsageError(f"two runs are called {name}: rename the folder of one")
        kept = RunFolder(results / name)
        if kept.config.exists() and kept.read_config().get("sessions", [])[:1] != run.config.get("sessions", [])[:1]:
            raise UsageError(f"{kept.path} holds another run: give another --results, or rename the folder of one")
        places[results / name] = run
    for place, run in places.items():
        for file in _worth_keeping(run):
            target = place / file.relative_to(run.folder.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)  # with its time, by which the newest final test is known
    copies = [read_run(place) for place in places]
    write_atomically(results / "table.txt", (table(copies) + "\n").encode())
    write_atomically(results / "comparison.json", json.dumps(to_json(copies), indent=2).encode())


def keep_generator(run: RunFolder, file: Path) -> None:
    """Write the generator of the run's best checkpoint: parameters and buffers in float16."""
    stored = checkpoint.load(run.best)
    prefixes = tuple(f"generator.{store}." for store in ("parameters", "buffers"))
    tensors = {
        name.split(".", 2)[2]: np.ascontiguousarray(tensor, np.float16)
        for name, tensor in stored.tensors.items()
        if name.startswith(prefixes)
    }
    options = replace(stored.options, data_dir=None)  # where the images lay on one machine
    about = {"options": asdict(options), "iteration": stored.progress.iteration}
    write_atomically(file, safetensors.numpy.save(tensors, {METADATA_KEY: json.dumps(about)}))


def _worth_keeping(run: RunSummary) -> list[Path]:
    folder = run.folder
    kept = [folder.config, folder.log, folder.samples / "reals.png", folder.reconstructions / "targets.png"]
    for pictures in (folder.samples, folder.reconstructions):
        grids = dict(numbered(pictures))
        kept += [grids[iteration] for iteration in sorted({run.best.iteration, max(grids, default=0)} & set(grids))]
    for results in ("reconstruct-final-*.json", "reconstruct-final-*.png", "measures-*.json", "agreement.json"):
        kept += sorted(folder.evaluation.glob(results))
    return [file for file in kept if file.exists()]


if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
