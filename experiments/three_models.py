"""The paper's comparison: vanilla, batch norm and weight norm, by reconstruction loss.

    python -m experiments.three_models --dataset cifar10 --data-dir D --iterations 10000 --seeds 0

Trains each model from each seed with the paper's settings (train.py's defaults), runs the final test on the best
checkpoint of each, and writes table, logs and last pictures into ``--results``. It can be stopped and started: what is
finished is not done again, an unfinished run or test goes on where it was.
"""

import argparse
import shutil
import sys
from pathlib import Path

import evaluate
import train
from tinygan.cli import OneLineParser
from tinygan.errors import UsageError, run_script
from tinygan.jsonfile import read_json
from tinygan.training import checkpoint
from tinygan.training.runfolder import RunFolder

MODELS = ("none", "bn", "wn")


def main(arguments: list[str]) -> None:
    """Do whatever is still to be done."""
    parser = OneLineParser(prog="experiments.three_models", description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="cifar10", help="(default: %(default)s)")
    parser.add_argument("--data-dir", metavar="DIR", help="where the data set lies")
    parser.add_argument("--iterations", type=int, required=True, metavar="N", help="of each run")
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
    parser.add_argument(
        "--out", type=Path, default=Path("runs/three-models"), help="run folders (default: %(default)s)"
    )
    parser.add_argument(
        "--results", type=Path, default=Path("results/three-models"), help="what is kept (default: %(default)s)"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    options = parser.parse_args(arguments)
    if not 1 <= options.test_every <= options.iterations:
        raise UsageError(
            f"--iterations {options.iterations} leaves no running test: give at least {options.test_every}"
        )

    if options.count is not None and options.count < 1:
        raise UsageError(f"--count is {options.count}: the final test needs at least 1 image")

    runs = [trained_run(options, norm, seed) for seed in options.seeds for norm in MODELS]
    for run in runs:
        final_test(options, run)
    collect(runs, options.results)
    evaluate.main(["compare", *(str(run.path) for run in runs), "--json", str(options.results / "comparison.json")])


def seeds(text: str) -> tuple[int, ...]:
    """``0,1,2`` to numbers."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--seeds {text!r}: write numbers with commas, as in 0,1,2") from None


def trained_run(options: argparse.Namespace, norm: str, seed: int) -> RunFolder:
    """The run of this model and seed, trained to the last iteration: begun, continued, or as it was."""
    name = f"seed{seed}"
    found = sorted(options.out.glob(f"*-{options.dataset}-{norm}-{name}"))
    common = ["--iterations", str(options.iterations), "--test-every", str(options.test_every)]
    common += ["--device", options.device]
    common += ["--data-dir", options.data_dir] if options.data_dir else []
    if found and RunFolder(found[-1]).last.exists():
        run = RunFolder(found[-1])
        if checkpoint.load(run.last).progress.iteration < options.iterations:
            train.main(["--resume", str(run.path), *common])
        return run
    fresh = ["--norm", norm, "--dataset", options.dataset, "--seed", str(seed), "--name", name]
    train.main([*fresh, *common, "--sample-every", "1000", "--out", str(options.out)])
    return RunFolder(max(options.out.glob(f"*-{options.dataset}-{norm}-{name}")))


def final_test(options: argparse.Namespace, run: RunFolder) -> None:
    """The final test of the run's best checkpoint, unless it is there, of as many images or of all."""
    wanted = {"iteration": checkpoint.load(run.best).progress.iteration, "steps": options.steps}
    for file in run.evaluation.glob("reconstruct-final-best-*.json"):
        found = read_json(file, {"count": int}, "delete it, the test is then repeated")
        if wanted.items() <= found.items() and ("first" not in file.stem or found["count"] == options.count):
            return
    chosen = ["--data-dir", options.data_dir] if options.data_dir else []
    chosen += ["--count", str(options.count)] if options.count else []
    evaluate.main(["reconstruct", str(run.path), "--steps", str(options.steps), "--device", options.device, *chosen])


def collect(runs: list[RunFolder], results: Path) -> None:
    """Copy what is worth keeping of each run, without its checkpoints: config, log, last samples, final test."""
    for run in runs:
        target = results / run.path.name
        target.mkdir(parents=True, exist_ok=True)
        pictures = [max(folder.glob("[0-9]*.png")) for folder in (run.samples, run.reconstructions)]
        for file, name in zip(pictures, ("samples.png", "reconstructions.png"), strict=True):
            shutil.copy(file, target / name)
        shutil.copy(run.config, target / "config.json")
        shutil.copy(run.log, target / "log.jsonl")
        for file in run.evaluation.glob("reconstruct-final-best-*.[jp][sn]*"):
            shutil.copy(file, target / file.name)


if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
