"""The steps of a GPU session, each of some commands with limits of time, in the order in which one needs another."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tinygan.models.norms import NORMS

CALL = 520  # seconds that a step may take, within a call of ten minutes
# The files of tests/gpu that run on a device; the second half trains.
KERNEL_TESTS = ("kernels", "products", "graph", "stream", "correlation")
TRAINING_TESTS = ("captured", "parity", "benchmark", "dryrun", "train_gpu", "nccl")
SIZES = ("32", "160")
PEERS = "torch-graph,torch,torch-compile"
TRAINED = "wn"  # the run that is reconstructed from


class Part(NamedTuple):
    """One command of a step.

    Attributes:
        command: None where it cannot be run; then ``why`` says so.
        limit: seconds.
    """

    step: str
    name: str
    command: list[str] | None
    limit: float
    why: str = ""


class Setting(NamedTuple):
    """What all steps are told.

    Attributes:
        work: the folder that they write in.
        rehearsed: on the CPU and the stand-in, as small as can be.
    """

    work: Path
    data_dir: str | None
    iterations: int
    minutes: float
    rehearsed: bool

    @property
    def device(self) -> str:
        return "cpu" if self.rehearsed else "gpu"

    @property
    def data(self) -> list[str]:
        """The data set, as the scripts are told it."""
        return ["--dataset", "cifar10", "--data-dir", self.data_dir] if self.data_dir else ["--dataset", "shapes"]

    def smaller(self, *options: str) -> list[str]:
        """``options`` in a rehearsal."""
        return list(options) if self.rehearsed else []


def _device(setting: Setting) -> Iterator[Part]:
    # Every warning is an error, as in the tests: here it is seen what warns.
    measure = ["-W", "error", "-m", "benchmarks.gpu_measure", "device", "--out", str(setting.work / "device.json")]
    yield Part("device", "device", _python(*measure), 120)
    yield Part("device", "collect", [*_pytest(setting), "--collect-only", "tests/gpu/test_graph.py"], 120)


def _tests(step: str, files: tuple[str, ...]) -> Callable[[Setting], Iterator[Part]]:
    def parts(setting: Setting) -> Iterator[Part]:
        for file in files:
            report = setting.work / f"test-{file}.xml"
            report.unlink(missing_ok=True)  # what crashes writes none: an old one would pass for it
            command = [*_pytest(setting), "--durations=5", f"--junit-xml={report}", f"tests/gpu/test_{file}.py"]
            yield Part(step, f"test-{file}", command, CALL // len(files))

    return parts


def _memcheck(setting: Setting) -> Iterator[Part]:
    tool = shutil.which("compute-sanitizer")
    options = ("--tool", "memcheck", "--error-exitcode", "99", "--report-api-errors", "no")  # else it always passes
    tests = [*_pytest(setting, "EXACT_GPU_MEMORY"), "tests/gpu/test_kernels.py"]
    python = tests.index(sys.executable)
    command = [*tests[:python], tool, *options, *tests[python:]] if tool else None
    yield Part("memcheck", "memcheck", command, CALL, "compute-sanitizer of the CUDA toolkit is not installed")


def _measure(setting: Setting) -> Iterator[Part]:
    for what, limit in (("constants", 120), ("nodes", 280), ("bill", 120)):
        command = _python("-m", "benchmarks.gpu_measure", what, "--out", str(setting.work / f"{what}.json"))
        runs = what == "bill" or not setting.rehearsed
        yield Part("measure", what, command if runs else None, limit, "it needs a device")


def _benchmark(name: str, limits: tuple[float, float], *options: str) -> Callable[[Setting], Iterator[Part]]:
    def parts(setting: Setting) -> Iterator[Part]:
        for size, limit in zip(SIZES, limits, strict=True):
            out = setting.work / f"{name}-{size}.json"
            size = ["--size", "16", "--batch", "4", "--features", "8"] if setting.rehearsed else ["--size", size]
            work = ["--device", setting.device, "--norm", "wn", *size, *options, "--out", str(out)]
            short = {"step": ("--pairs", "1"), "profile": ("--steps", "2")}[name]
            yield Part(name, out.stem, _python("-m", f"benchmarks.{name}", *work, *setting.smaller(*short)), limit)

    return parts


def _ranks(setting: Setting) -> Iterator[Part]:
    """A rank of one with NCCL beside none."""
    for size in SIZES:
        out = ["--out", str(setting.work / f"nccl-{size}.json")]
        command = _python("-m", "benchmarks.ncclstep", "--size", size, *out)
        yield Part("ranks", f"nccl-{size}", None if setting.rehearsed else command, CALL // 2, "it needs a device")


def _candidates(setting: Setting) -> Iterator[Part]:
    """The convolution without patches, judged; in a rehearsal it prints its model."""
    for size in SIZES:
        command = _python("-m", "benchmarks.candidates.implicit", "--size", size)
        yield Part("candidates", f"implicit-{size}", command, CALL // 2)


def _train(setting: Setting) -> Iterator[Part]:
    """Each norm, on CIFAR-10 or on shapes."""
    often, samples = ("12", "6") if setting.rehearsed else ("2000", "1000")
    small = setting.smaller("--features", "8", "--batch-size", "8", "--test-every", "6")
    for norm in NORMS:
        run = ["--norm", norm, "--device", setting.device, "--iterations", often, "--sample-every", samples]
        command = _python("train.py", *run, *setting.data, *small, "--out", str(setting.work / "runs" / norm))
        yield Part("train", f"train-{norm}", command, CALL // len(NORMS))


def _reconstruct(setting: Setting) -> Iterator[Part]:
    """The final test, in full: 2,000 images and 2,000 steps."""
    runs = sorted((setting.work / "runs" / TRAINED).glob("*/checkpoints/best.safetensors"))
    small = setting.smaller("--count", "4", "--steps", "2")
    run = [str(runs[-1].parents[1])] if runs else []
    command = _python("evaluate.py", "reconstruct", *run, "--device", setting.device, *small)
    yield Part("reconstruct", "reconstruct", command if run else None, CALL, "no run was trained: the step train first")


def _models(setting: Setting) -> Iterator[Part]:
    """The paper's three models, as far as the time goes; a later call goes on."""
    run = ["--device", setting.device, "--minutes", f"{setting.minutes:g}", *setting.data]
    run += ["--iterations", "2" if setting.rehearsed else str(setting.iterations)]
    places = ["--out", str(setting.work / "three-models"), "--results", str(setting.work / "models")]
    small = setting.smaller("--test-every", "1", "--count", "2", "--steps", "2")
    command = _python("-m", "experiments.three_models", *run, *places, *small)
    yield Part("models", "models", command, 60 * setting.minutes + 60)


STEPS: dict[str, Callable[[Setting], Iterator[Part]]] = {
    "device": _device,
    "kernels": _tests("kernels", KERNEL_TESTS),
    "training": _tests("training", TRAINING_TESTS),
    "memcheck": _memcheck,
    "measure": _measure,
    "step": _benchmark("step", (240, 280), "--peers", PEERS),
    "profile": _benchmark("profile", (240, 280)),
    "ranks": _ranks,
    "candidates": _candidates,
    "train": _train,
    "reconstruct": _reconstruct,
    "models": _models,
}


def _python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def _pytest(setting: Setting, *switches: str) -> list[str]:
    """Without what else is installed there, and failing where the GPU cannot be used; see tests/conftest.py."""
    marked = "not gpu" if setting.rehearsed else "gpu"
    needed = () if setting.rehearsed else ("NEED_GPU",)
    switches = ("PYTEST_DISABLE_PLUGIN_AUTOLOAD", *needed, *switches)
    command = _python("-m", "pytest", "-v", "-m", marked, "-p", "no:cacheprovider")
    return ["env", *(f"{name}=1" for name in switches), *command]
