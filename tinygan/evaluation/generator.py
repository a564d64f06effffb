"""A trained generator as a function, for your own code: from a run's folder, or the one that tinygan brings."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from tinygan.device import Backend, open_backend
from tinygan.errors import InputError, TinyganError, UsageError
from tinygan.evaluation.trained import SAMPLE_BATCH, open_run
from tinygan.layers import Layer, initialise
from tinygan.rng import rng_for
from tinygan.text import printable
from tinygan.training.options import Options
from tinygan.training.runfolder import run_called
from tinygan.training.session import networks_of

STORED = Path(__file__).parents[1] / "pretrained"
METADATA_KEY = "tinygan generator"


@dataclass(frozen=True)
class TrainedGenerator:
    """Codes (N, code_size), standard normal -> images, float32 (N, H, W, 3) in [0, 1]; evaluation mode, on the host."""

    network: Layer  # the layer tree behind it
    options: Options  # those of the run it was trained in
    iteration: int  # after how many it was saved
    backend: Backend
    source: Path  # the run's folder, or the file that it is stored in
    checkpoint: str | None = None  # of the run: best, last or a number
    discriminator: Layer | None = None  # the run's other network; neither is known of a generator that is stored alone

    @property
    def name(self) -> str:
        """That of its run or file."""
        return printable(self.source.resolve().name.removesuffix(".safetensors"))

    @property
    def code_size(self) -> int:
        """Length Z of a code."""
        return self.options.code_size

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        codes = np.asarray(codes)
        if codes.ndim != 2 or codes.shape[1] != self.code_size or not len(codes):
            raise InputError(f"expected codes (N, {self.code_size}), N at least 1; found {codes.shape}")
        parts = (self.backend.to_device(codes[k : k + SAMPLE_BATCH]) for k in range(0, len(codes), SAMPLE_BATCH))
        images = [self.backend.to_host(self.network(part)[0]) for part in parts]
        return np.concatenate(images).astype(np.float32, copy=False)


def load_generator(run: str | Path, checkpoint: str | int = "best", device: str = "cpu") -> TrainedGenerator:
    """The generator of a run folder at checkpoint ``best``, ``last`` or a kept iteration, or one that is stored alone.

    ``run`` is a run folder, or "latest" for the newest one in ``runs``; or "cifar10-wn", which tinygan brings (its
    card: ``tinygan/pretrained/cifar10-wn.md``); or a file that ``experiments.collect --generators`` wrote. Raises
    TinyganError for no run folder, or no such checkpoint, naming those that are there.

    >>> generator = load_generator("cifar10-wn")
    >>> generator(rng_for(0, "my codes").standard_normal((16, generator.code_size))).shape
    (16, 32, 32, 3)
    """
    stored = Path(run) if Path(run).suffix == ".safetensors" else STORED / f"{run}.safetensors"
    if stored == Path(run) or (stored.exists() and not Path(run).exists()):
        if checkpoint != "best":
            raise UsageError(f"{run} is one generator, stored at its run's best: there is no checkpoint {checkpoint}")
        return _open_stored(stored, device)
    folder = run_called(run)
    if not folder.exists():
        brought = ", ".join(sorted(file.stem for file in STORED.glob("*.safetensors")))
        raise TinyganError(f"{run} is no run folder, and no generator that tinygan brings ({brought})")
    opened = open_run(folder, checkpoint, device)
    discriminator = opened.game.discriminator.network
    return TrainedGenerator(
        opened.generator, opened.options, opened.iteration, opened.backend, folder, opened.checkpoint, discriminator
    )


def _open_stored(path: Path, device: str) -> TrainedGenerator:
    """A generator from a file of its own, in float16."""
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {})[METADATA_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        options = Options.from_json(about["options"])
        network, _ = networks_of(options)
        backend = open_backend(device, "float32")
        stores = initialise(network, rng_for(options.seed, "initial generator"), backend)
        for store in stores:
            store.load({name: tensors.pop(name) for name in store})
        return TrainedGenerator(network, options, about["iteration"], backend, path)
    except FileNotFoundError:
        raise TinyganError(f"there is no generator {path}") from None
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise TinyganError(
            f"{path} is damaged or no stored generator of tinygan ({error!r}): name a run's folder, or a file that "
            "experiments.collect --generators wrote"
        ) from error
