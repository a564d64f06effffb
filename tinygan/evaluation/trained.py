"""A finished or running training run, opened to look at its generator."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinygan.data.imageset import ImageSet
from tinygan.device import Backend, open_backend, why_no_gpu
from tinygan.errors import TinyganError
from tinygan.images import to_uint8
from tinygan.layers import Layer
from tinygan.reconstruction import Reconstruction, Search, join
from tinygan.rng import rng_for
from tinygan.text import say
from tinygan.training import checkpoint
from tinygan.training.batched_search import reconstruct
from tinygan.training.options import Options
from tinygan.training.runfolder import RunFolder
from tinygan.training.session import build_game, load_images
from tinygan.training.step import Game

SAMPLE_BATCH = 100
SHORT = {"learning_rate": "lr", "optimiser": ""}  # for option names in the names of result files


@dataclass(frozen=True)
class TrainedRun:
    """A run's generator at one checkpoint; it is only ever used in evaluation mode."""

    folder: RunFolder
    options: Options
    checkpoint: str  # "best", "last" or the number it was asked for by
    iteration: int  # that the checkpoint was saved after
    fingerprint: str  # of the images that the run was trained on
    game: Game
    backend: Backend

    @property
    def generator(self) -> Layer:
        """The network that makes images from codes."""
        return self.game.generator.network

    def load_images(self, data_dir: Path | None = None) -> ImageSet:
        """The run's data set, from ``data_dir`` or where training found it; TinyganError where it is another one."""
        images = load_images(self.options, data_dir)
        if images.fingerprint() != self.fingerprint:
            raise TinyganError(
                f"the images of {images.source} are not those that {self.folder.path} was trained on: "
                "give the same data with --data-dir"
            )
        return images

    def generate(self, codes: np.ndarray) -> np.ndarray:
        """Images of host codes (N, Z): uint8 (N, H, W, 3)."""
        batches = [codes[i : i + SAMPLE_BATCH] for i in range(0, len(codes), SAMPLE_BATCH)]
        images = [self.generator(self.backend.to_device(batch))[0] for batch in batches]
        return np.concatenate([to_uint8(self.backend.to_host(batch)) for batch in images])

    def search(
        self, targets: np.ndarray, search: Search, batch_size: int, rows: slice = slice(None), **how: Any
    ) -> Reconstruction:
        """What the search finds for ``rows`` of ``targets``, uint8 images; ``how`` as of :func:`reconstruct`.

        Random starts are drawn for all targets, so that they do not depend on the batches.
        """
        shape = len(targets), self.options.code_size

        def random_codes(restart: int) -> np.ndarray:
            return rng_for(0, "restart codes", restart).standard_normal(shape)[rows]

        wanted = targets[rows], shape[1], search, self.backend, batch_size, random_codes
        return join(list(reconstruct(self.generator, *wanted, **how)))

    def samples(self, count: int, seed: int) -> Iterator[np.ndarray]:
        """``count`` images of random codes in batches; image k depends on (seed, k) only, not on ``count``."""
        for first in range(0, count, SAMPLE_BATCH):
            codes = rng_for(seed, "sample codes", first).standard_normal((SAMPLE_BATCH, self.options.code_size))
            yield self.generate(codes)[: count - first]

    def result_file(self, name: str, given: dict[str, object], usual: dict[str, object], ending: str = ".json") -> Path:
        """``evaluation/<name>`` with each of ``given`` that differs from ``usual``, as in ``modes-best-count500``.

        So a file's name says what its figures depend on. A file there that is older than the checkpoint (``best``
        moves on) will be replaced, and that is said.
        """
        self.folder.evaluation.mkdir(exist_ok=True)
        special = [f"-{SHORT.get(key, key)}{value}" for key, value in given.items() if value != usual[key]]
        file = self.folder.evaluation / f"{name}{''.join(special)}{ending}"
        checkpoint = self.folder.checkpoints / f"{self.checkpoint}.safetensors"
        if file.exists() and file.stat().st_mtime < checkpoint.stat().st_mtime:
            say(f"note: {file} is of an earlier iteration so far; it will be of {self.iteration}")
        return file


def open_run(path: Path, which: str | int = "best", device: str = "auto") -> TrainedRun:
    """A run at checkpoint ``best``, ``last`` or a kept iteration; TinyganError names those that are there."""
    folder = RunFolder.existing(path)
    name = f"{int(which):06d}" if re.fullmatch("[0-9]{1,20}", str(which)) else str(which)
    there = sorted(file.stem for file in folder.checkpoints.glob("*.safetensors"))
    if name not in there:
        line = f"{path} has no checkpoint {name[:40]!r}; there are: {', '.join(there) or 'none yet'}"
        if name == "best" and "last" in there:
            line += "; there is a best one after the first running test, until then take last (--checkpoint last)"
        raise TinyganError(line)
    stored = checkpoint.load(folder.checkpoints / f"{name}.safetensors")
    backend = open_backend(device, _available(stored.options.precision, device))
    game = build_game(stored.options, backend)
    checkpoint.restore(stored, game)
    return TrainedRun(folder, stored.options, name, stored.progress.iteration, stored.fingerprint, game, backend)


def _available(precision: str, device: str) -> str:
    """Float32 where there are no TF32 products, and for ``auto``, with which figures would depend on the device."""
    has_none = device == "cpu" or (device == "auto" and why_no_gpu() is not None)
    return "float32" if precision == "auto" or (precision == "tf32" and has_none) else precision
