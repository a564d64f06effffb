"""How fast images reach training, and how fast training eats them:

    python -m benchmarks.source [--device cpu] [--data-dir PACKED ...]

For each packed set: images per second of the batch source alone, plain and with flips and windows, until they lie on
the device as [0, 1]; then of whole training iterations of the default network at the images' size; and the ratio of
the two. Without --data-dir, mapped files of random pixels stand in for sets of 32x32 and 160x160 (their values cost
nothing). One pass over each file comes first, so it is read from the system's cache.
"""

if __name__ == "__main__":  # first of all, since the imports take a second
    from tinygan.signals import begin_script

    begin_script()

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import command
from tinygan.array import Array
from tinygan.cli.parser import OneLineParser, path
from tinygan.data.devicebatches import open_source
from tinygan.data.packed import open_packed
from tinygan.data.split import split
from tinygan.device import DEVICES, Backend, open_backend
from tinygan.errors import run_script
from tinygan.rng import rng_for
from tinygan.text import say
from tinygan.training.feed import latent_codes, to_unit_range
from tinygan.training.options import Options
from tinygan.training.session import build_game
from tinygan.training.step import SCHEDULES

SIDES = {32: 20_000, 160: 2_000}  # images of the stand-ins
SECONDS = 2.0  # that each source is timed for
MARGIN = 8  # pixels that windows leave out each way
BATCH = 32
ITERATIONS = 3  # of training that are timed


def build_parser() -> OneLineParser:
    """Which sets, on which device."""
    parser = command.parser("source", __doc__, "--data-dir data/celeba160")
    text = "made by data_prep.py (default: random pixels)"
    parser.add_argument("--data-dir", type=path("--data-dir"), nargs="+", default=[], metavar="DIR", help=text)
    text = "auto takes the GPU if there is a usable one (default: %(default)s)"
    parser.add_argument("--device", default="auto", choices=DEVICES, help=text)
    return parser


def main(arguments: list[str]) -> None:
    """Measure and print."""
    options = build_parser().parse_args(arguments)
    backend = open_backend(options.device)
    say(f"{backend.description}, batch {BATCH}; images per second")
    with tempfile.TemporaryDirectory() as folder:
        sets = [(path.name, open_packed(path).images) for path in options.data_dir]
        for name, images in sets or stand_ins(Path(folder)):
            report(name, images, backend)


def stand_ins(folder: Path) -> list[tuple[str, np.ndarray]]:
    """(name, images mapped from a file) of each size."""
    made = []
    for side, count in SIDES.items():
        path = folder / f"{side}.npy"
        np.save(path, rng_for(0, "pixels").integers(0, 256, (count, side, side, 3), np.uint8))
        made.append((f"{side}x{side}", np.load(path, mmap_mode="r").view(np.ndarray)))
    return made


def report(name: str, images: np.ndarray, backend: Backend) -> None:
    """Print one line about one set."""
    size = images.shape[1:3]
    windows = (size[0] - MARGIN, size[1] - MARGIN)
    rates = []
    for augment, part in (((), size), (("flip", "crop"), windows)):
        source = open_source(backend, images, split(len(images)).train, BATCH, 0, augment, part)
        rates.append(rate(lambda k, source=source: to_unit_range(source.batch(k), backend), backend))
    eaten = rate(training_step(size, backend), backend, ITERATIONS)
    say(
        f"{name}: source {rates[0]:,.0f}, with flips and windows {rates[1]:,.0f}; training {eaten:,.1f}; "
        f"{rates[0] / eaten:,.0f} and {rates[1] / eaten:,.0f} times as much"
    )


def training_step(size: tuple[int, int], backend: Backend) -> Callable[[int], Array]:
    """Iteration k of the default network, on the same images each time; returns a loss."""
    options = Options(image_size=size, batch_size=BATCH, device=backend.device)
    game, schedule = build_game(options, backend), SCHEDULES[options.schedule]
    real = backend.to_device(np.full((BATCH, *size, 3), 0.5))

    def step(k: int) -> Array:
        codes = backend.to_device(latent_codes(options, k, schedule.code_batches))
        return schedule.step(game, real, codes, 1e-4).g

    return step


def rate(call: Callable[[int], Array], backend: Backend, calls: int | None = None) -> float:
    """Images per second of ``call(1)``, ``call(2)`` …: so many calls after one that warms up, or for some seconds."""
    backend.to_host(call(1))
    started, k = time.perf_counter(), 1
    while k <= calls if calls else time.perf_counter() - started < SECONDS:
        k += 1
        last = call(k)
    backend.to_host(last)  # waits for the device
    return (k - 1) * BATCH / (time.perf_counter() - started)


if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
