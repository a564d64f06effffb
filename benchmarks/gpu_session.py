"""All the work that waits for a GPU, in one command of under 10 minutes:

    python -m benchmarks.gpu_session --out DIR --data-dir CIFAR10 [--steps tests,step,profile,train,models]

tests   the tests marked ``gpu``, each file in a process of its own: what breaks a device breaks one file's tests
step    benchmarks.step against every peer: the GPU rows of the table of what must hold
profile benchmarks.profile of the same steps
train   the main job on CIFAR-10 (without --data-dir: on shapes), each norm for 2,000 iterations
models  experiments.three_models for ``--iterations``, with its final tests

Every step's output goes to DIR/<step>.log, what a run leaves behind that is worth keeping (config, log, last sample
grid) to DIR/<run>/. Ends with the number of steps that failed.
"""

if __name__ == "__main__":  # first of all, since the imports take a second
    from tinygan.signals import begin_script

    begin_script()

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tinygan.cli import OneLineParser, did_you_mean, filled, number, path
from tinygan.device import why_no_gpu
from tinygan.errors import TinyganError, UsageError, run_script
from tinygan.models.norms import NORMS
from tinygan.text import say

STEPS = ("tests", "step", "profile", "train", "models")
# In the order in which one relies on the other.
TESTS = (
    "kernels",
    "products",
    "graph",
    "stream",
    "correlation",
    "parity",
    "captured",
    "benchmark",
    "nccl",
    "train_gpu",
)
STEP_SIZES = ("32", "160")


def build_parser() -> argparse.ArgumentParser:
    """Which steps, on which data, and where the results go."""
    parser = OneLineParser(
        prog="benchmarks.gpu_session",
        description=__doc__.splitlines()[0].rstrip(":"),
        examples=("python -m benchmarks.gpu_session --out gpu --data-dir data/cifar10 --steps tests,step",),
    )
    parser.add_argument("--out", type=path("--out"), required=True, metavar="DIR", help="where logs and results go")
    text = "CIFAR-10 (default: train on shapes)"
    parser.add_argument("--data-dir", type=filled("--data-dir"), metavar="DIR", help=text)
    text = "which of them (default: %(default)s)"
    parser.add_argument("--steps", default=",".join(STEPS), metavar="A,B", help=text)
    text = "of each run in models (default: %(default)s)"
    parser.add_argument("--iterations", type=number("iterations"), default=5000, metavar="N", help=text)
    return parser


def main(arguments: list[str]) -> None:
    """Run the chosen steps; TinyganError if there is no GPU or a step fails."""
    options = build_parser().parse_args(arguments)
    for name in options.steps.split(","):
        if name not in STEPS:
            raise UsageError(f"--steps: {name!r} is unknown{did_you_mean(name, STEPS)}: choose from {', '.join(STEPS)}")
    obstacle = why_no_gpu()
    if obstacle:
        raise TinyganError(f"no GPU session here: {obstacle}")
    options.out.mkdir(parents=True, exist_ok=True)

    failed = []
    for name, command in commands(options):
        started = time.monotonic()
        with open(options.out / f"{name}.log", "w") as log:
            code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT).returncode
        say(f"{name}: exit code {code}, {time.monotonic() - started:.1f} s")
        if code:
            failed.append(name)
        keep_results(options.out / "runs", options.out)
    if failed:
        raise TinyganError(f"failed: {', '.join(failed)}; see their logs in {options.out}")


def commands(options: argparse.Namespace) -> list[tuple[str, list[str]]]:
    """(name, command line) of everything to be run."""
    chosen = []
    steps = options.steps.split(",")
    if "tests" in steps:
        pytest = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", "--durations", "5"]
        chosen += [(f"tests-{name}", [*pytest, f"tests/gpu/test_{name}.py"]) for name in TESTS]
    for name in ("step", "profile"):
        for size in STEP_SIZES if name in steps else ():
            out = ["--out", str(options.out / f"{name}-gpu-{size}.json")]
            work = ["--device", "gpu", "--size", size, "--norm", "wn"]
            chosen.append((f"{name}-{size}", [sys.executable, "-m", f"benchmarks.{name}", *work, *out]))
    data = ["--dataset", "cifar10", "--data-dir", options.data_dir] if options.data_dir else ["--dataset", "shapes"]
    if "train" in steps:
        for norm in NORMS:
            run = ["--norm", norm, "--device", "gpu", "--iterations", "2000"]
            places = ["--sample-every", "1000", "--out", str(options.out / "runs")]
            chosen.append((f"train-{norm}", [sys.executable, "train.py", *run, *data, *places]))
    if "models" in steps:
        run = ["--device", "gpu", "--iterations", str(options.iterations), "--results", str(options.out / "models")]
        places = ["--out", str(options.out / "three-models")]
        chosen.append(("models", [sys.executable, "-m", "experiments.three_models", *run, *data, *places]))
    return chosen


def keep_results(runs: Path, out: Path) -> None:
    """Copy what is worth keeping of each run in ``runs`` next to the logs, without checkpoints."""
    for run in sorted(runs.glob("*-*")):
        target = out / run.name
        target.mkdir(exist_ok=True)
        samples = sorted((run / "samples").glob("[0-9]*.png"))
        for file in (run / "config.json", run / "log.jsonl", *samples[-1:]):
            if file.exists():
                shutil.copy(file, target / file.name)


if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
