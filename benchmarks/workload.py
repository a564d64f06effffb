"""What is timed: one whole training step of a given network, from given weights, on a given batch."""

import argparse
import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tinygan.cli.parser import number
from tinygan.device import PRECISIONS, Backend
from tinygan.errors import UsageError
from tinygan.layers import initialise
from tinygan.models import dcgan, resnet
from tinygan.models.norms import NORMS
from tinygan.models.pyramid import default_levels
from tinygan.ranges import flag
from tinygan.rng import rng_for
from tinygan.training.step import SCHEDULES

DEVICES = ("cpu", "gpu")
MODELS = ("dcgan", "resnet")
RESNET_21 = (64, 128, 256, 384, 512), (2, 2, 2, 2, 2)  # the paper's at 160 pixels: channels and blocks per level
CODE_SIZES = {32: 128, 64: 128, 160: 256}  # the paper's, by image size
LEARNING_RATE = 1e-4
PARITY_STEPS = 5


class Inputs(NamedTuple):
    """Host arrays that every contender starts from, by tinygan's names and in its axis orders."""

    G: dict[str, np.ndarray]
    D: dict[str, np.ndarray]
    G_buffers: dict[str, np.ndarray]
    D_buffers: dict[str, np.ndarray]
    real: np.ndarray  # (N, H, W, 3) in [0, 1]
    codes: np.ndarray  # (1 or 2, N, Z), as the schedule takes them


@dataclass(frozen=True)
class Workload:
    """The step's size and kind; ``size`` is the side of the square images in pixels."""

    device: str
    size: int
    norm: str
    batch: int
    schedule: str
    code_size: int
    features: int
    precision: str
    model: str = "dcgan"

    def networks(self):
        """Untrained G and D of tinygan, without arrays."""
        size = (self.size, self.size)
        if self.model == "resnet":
            levels = self.levels()
            return resnet.generator(size, self.code_size, *levels, self.norm), resnet.discriminator(
                size, *levels, self.norm
            )
        G = dcgan.generator(size, self.code_size, self.features, self.norm)
        return G, dcgan.discriminator(size, self.features, self.norm)

    def levels(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Channels and blocks per level of a residual network: the paper's at 160 pixels, else doubled, one block."""
        if self.size == 160:
            return RESNET_21
        count = default_levels((self.size, self.size))
        return tuple(self.features * 2**level for level in range(count)), (1,) * count

    def inputs(self) -> Inputs:
        """The same numbers in every process: tinygan's initial weights from seed 0, random images and codes."""
        host = Backend("cpu", np, np.dtype(PRECISIONS[self.precision]), "")
        G, D = self.networks()
        stores = [
            {name: np.array(view) for name, view in store.items()}
            for network, purpose in ((G, "initial generator"), (D, "initial discriminator"))
            for store in initialise(network, rng_for(0, purpose), host)
        ]
        real = rng_for(0, "benchmark images").integers(0, 256, (self.batch, self.size, self.size, 3)) / 255
        codes = rng_for(0, "benchmark codes").standard_normal(
            (SCHEDULES[self.schedule].code_batches, self.batch, self.code_size)
        )
        return Inputs(stores[0], stores[2], stores[1], stores[3], real.astype(host.dtype), codes.astype(host.dtype))

    def title(self) -> str:
        """One line for people."""
        return (
            f"{self.model}, {self.size}×{self.size}, batch {self.batch}, {self.norm}, {self.schedule}, "
            f"code {self.code_size}, features {self.features}, {self.precision}, {self.device}"
        )

    def to_json(self) -> dict:
        """As a dict that JSON can hold."""
        return dataclasses.asdict(self)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that make a workload."""
    named = tuple(precision for precision in PRECISIONS if precision != "auto")
    for name, choices, default, text in (
        ("device", DEVICES, "cpu", "that computes the steps"),
        ("model", MODELS, "dcgan", "the paper's DCGAN or residual network"),
        ("norm", NORMS, "wn", "normalisation, as for train.py"),
        ("schedule", tuple(SCHEDULES), "shared", "of the step, as for train.py"),
    ):
        parser.add_argument(flag(name), choices=choices, default=default, help=f"{text} (default: %(default)s)")
    parser.add_argument("--precision", choices=named, help="of all arrays (default: float32 on cpu, tf32 on gpu)")
    for name, default, text in (
        ("size", 32, "side of the images (default: %(default)s)"),
        ("batch", 32, "images in a step (default: %(default)s)"),
        ("code_size", None, "length of the latent code (default: 128; 256 at 160 pixels)"),
        (
            "features",
            None,
            "channels of the outermost level (default: 64, of a resnet 48; at 160 pixels a resnet has the paper's)",
        ),
    ):
        parser.add_argument(flag(name), type=number(name), default=default, metavar="N", help=text)


def from_arguments(options: argparse.Namespace) -> Workload:
    """The workload that the options name; UsageError if it makes no sense."""
    if options.norm == "bn" and options.batch == 1:
        raise UsageError("--norm bn needs --batch 2 or more: one image has no spread over the batch")
    precision = options.precision or ("tf32" if options.device == "gpu" else "float32")
    if precision == "tf32" and options.device == "cpu":
        raise UsageError("--precision tf32 needs --device gpu")
    workload = Workload(
        options.device,
        options.size,
        options.norm,
        options.batch,
        options.schedule,
        options.code_size or CODE_SIZES.get(options.size, 128),
        options.features or (48 if options.model == "resnet" else 64),
        precision,
        options.model,
    )
    workload.networks()  # a size that cannot be built ends here, in its own one line
    return workload
