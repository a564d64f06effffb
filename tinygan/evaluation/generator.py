"""A trained generator as a function, for code of one's own."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tinygan.errors import InputError
from tinygan.evaluation.trained import TrainedRun, open_run


class TrainedGenerator:
    """Codes (N, code_size), standard normal -> images, float32 (N, H, W, 3) in [0, 1]; evaluation mode, on the host.

    Attributes:
        code_size: length Z of a code.
        run: the run it was trained in: options, iteration, data set.
    """

    def __init__(self, run: TrainedRun):
        self.run = run
        self.code_size = run.options.code_size
        self._network: Callable = run.generator

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        codes = np.asarray(codes)
        if codes.ndim != 2 or codes.shape[1] != self.code_size or not len(codes):
            raise InputError(f"expected codes (N, {self.code_size}), N at least 1; found {codes.shape}")
        backend = self.run.backend
        return backend.to_host(self._network(backend.to_device(codes))[0]).astype(np.float32, copy=False)


def load_generator(run: str | Path, checkpoint: str = "best", device: str = "cpu") -> TrainedGenerator:
    """The generator of a run folder at checkpoint ``best``, ``last`` or a kept iteration.

    ::

        generator = load_generator("runs/00000-cifar10-wn")
        images = generator(np.random.default_rng(0).standard_normal((16, generator.code_size)))

    Raises:
        TinyganError: no run folder, or no such checkpoint, naming those that are there.
    """
    return TrainedGenerator(open_run(Path(run), checkpoint, device))
