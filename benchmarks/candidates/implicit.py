"""The judge of the convolution without patches: its time and its values beside the package's, layer by layer.

    python -m benchmarks.candidates.implicit --size 160

On a device: the time of every layer of the paper's DCGAN, forward and backward, by both, each captured and repeated, so
that the host's is not in it; and whether the candidate's values are right (``timing.check``). Without a device: the
model's estimate of the same, from the operations that the stand-in for CuPy records. A device decides, not the model.
"""

if __name__ == "__main__":  # first of all, since the imports take a second
    from tinygan.signals import begin_script

    begin_script()

import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from benchmarks import command, gpu_bill
from benchmarks.candidates import bill, convolution, timing
from benchmarks.candidates.products import Shape
from benchmarks.gpu_model import Assumptions
from tinygan.cli.parser import OneLineParser, number
from tinygan.device import Backend, open_backend, why_no_gpu
from tinygan.errors import run_script
from tinygan.models.pyramid import pyramid
from tinygan.ops import cuda
from tinygan.ops.window import Window
from tinygan.text import say


class Layer(NamedTuple):
    """A convolution of D, or a transposed one of G, with the number of images that it sees at once."""

    name: str
    shape: Shape
    images: int

    @property
    def operation(self) -> str:
        """Of ``tinygan.ops``."""
        return "correlate" if self.name.startswith("D") else "correlate_transpose"

    def sides(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of x and of y."""
        sides = (self.images, *self.shape.image), (self.images, *self.shape.places, self.shape.features)
        return sides if self.operation == "correlate" else sides[::-1]

    def arrays(self, backend: Backend, draw: Callable) -> list:
        """x, w and dy on the device, from ``draw(purpose, shape)``."""
        shapes = self.sides()[0], self.shape.kernel, self.sides()[1]
        return [
            backend.to_device(draw(f"{self.name} {what}", shape)) for what, shape in zip("xwd", shapes, strict=True)
        ]


def layers(size: int, batch: int, features: int) -> list[Layer]:
    """Every one of the step of ``shared``: D sees real and generated images at once.

    >>> [layer.name for layer in layers(32, 32, 64)]
    ['D down0', 'D down1', 'D down2', 'G up2', 'G up1', 'G up0']
    """
    sides, pads = pyramid((size, size))
    channels = [3, *(features * 2**level for level in range(len(pads)))]
    shapes = [
        Shape((*side, c), Window((4, 4), (2, 2), pad), k)
        for side, pad, c, k in zip(sides, pads, channels, channels[1:], strict=False)
    ]
    down = [Layer(f"D down{level}", shape, 2 * batch) for level, shape in enumerate(shapes)]
    return down + [Layer(f"G up{level}", shape, batch) for level, shape in reversed(list(enumerate(shapes)))]


def build_parser() -> OneLineParser:
    """The network's size."""
    parser = command.parser("candidates.implicit", __doc__, "--size 32 --batch 64")
    for name, default, text in (
        ("size", 160, "side of the images"),
        ("batch", 32, "images in a step"),
        ("features", 64, "channels of the outermost level"),
    ):
        text += " (default: %(default)s)"
        parser.add_argument(f"--{name}", type=number(name), default=default, metavar="N", help=text)
    return parser


def main(arguments: list[str]) -> None:
    """Print the table; TinyganError if a value is wrong."""
    options = build_parser().parse_args(arguments)
    chosen, obstacle = layers(options.size, options.batch, options.features), why_no_gpu()
    if obstacle:
        say(f"no device here ({obstacle}): the model's estimate, nothing is measured")
        with gpu_bill.on_stand_in("tf32") as backend:
            say(*table(chosen, backend, estimate))
        return
    backend = open_backend("gpu", "tf32")
    say(f"measured on {backend.description}")
    for layer in chosen:
        timing.check(layer, backend)
    say("values right: of whole numbers exactly, of others within 8·(2^-10 + k·2^-25)·√Σa²b²")
    say(*table(chosen, backend, timing.measured))


def estimate(layer: Layer, backend: Backend, module) -> tuple[float, float]:
    """Modelled seconds of (forward, backward) by ``cuda`` or ``convolution``."""
    x, w, dy = layer.arrays(backend, lambda _, shape: np.zeros(shape, np.float32))
    function = getattr(module, layer.operation)
    forward, (_, backward) = gpu_bill.recorded(backend, lambda: function(x, w, layer.shape.window))
    back, _ = gpu_bill.recorded(backend, lambda: backward(dy))
    return tuple(sum(bill.cost(node, Assumptions()).seconds for node in nodes) for nodes in (forward, back))


def table(chosen: list[Layer], backend: Backend, seconds: Callable) -> list[str]:
    """A line per layer, and why one is the package's; then the sums."""
    lines = [
        f"{'':8} {'image':>12} {'map':>12} {'images':>6}  {'forward µs':>17} {'backward µs':>17}   candidate / package"
    ]
    totals = np.zeros(2)
    for layer in chosen:
        ours, theirs = (1e6 * np.array(seconds(layer, backend, module)) for module in (convolution, cuda))
        shape = layer.shape
        totals += ours.sum(), theirs.sum()
        image, places = ("×".join(map(str, sides)) for sides in (shape.image, (*shape.places, shape.features)))
        pairs = "  ".join(f"{own:7.1f} {other:8.1f}" for own, other in zip(ours, theirs, strict=True))
        reason = convolution.why_not(backend.xp.empty(0, backend.dtype), shape) or ""
        to_image = convolution.why_not_to_image(shape)
        reason = f"  package's: {reason}" if reason else f"  to the image the package's: {to_image}" if to_image else ""
        ratio = ours.sum() / theirs.sum()
        lines.append(f"{layer.name:8} {image:>12} {places:>12} {layer.images:>6}  {pairs}   {ratio:.2f}{reason}")
    return [*lines, f"all of a step: {totals[0]:.0f} µs, the package {totals[1]:.0f}"]


if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
