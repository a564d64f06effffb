"""What a run would be, without running it: networks, parameters, memory, options."""

import dataclasses
import math
import tracemalloc
from collections.abc import Callable

import numpy as np

from tinygan.device import PRECISIONS, open_backend, why_no_gpu
from tinygan.layers import Layer
from tinygan.ops import dispatch
from tinygan.ops.cpu.correlate import batches_as_if_larger
from tinygan.ranges import flag
from tinygan.runtime import threads
from tinygan.runtime.scratch import release_scratch
from tinygan.text import printable
from tinygan.training.feed import latent_codes
from tinygan.training.options import Options, show
from tinygan.training.session import build_game, networks_of
from tinygan.training.shards import process_count
from tinygan.training.step import SCHEDULES, Game

MIB = 2**20
FEWEST_IMAGES, MOST_IMAGES = 12, 64  # of a measured step; a line through steps with fewer misses by any factor
MEASURABLE = 2**32  # bytes that measuring may take; what would take more is not measured


def describe(options: Options) -> str:
    """The text that ``--dry-run`` prints; what it takes to find out is bounded, whatever the options."""
    H, W = options.image_size
    device = _device(options)
    networks = networks_of(options)
    resident = resident_memory(options, networks, device)
    measurable = _affordable_images(options, resident) >= min(FEWEST_IMAGES, options.batch_size)
    precision = "float64" if options.precision == "float64" else "float32"
    game = build_game(options, open_backend("cpu", precision)) if measurable else None
    shown = (game.generator.network, game.discriminator.network) if game else networks
    per_step = step_memory(options, game)[1] if game else None
    return "\n".join(
        [
            *_network_table("generator", shown[0], (options.code_size,), game),
            "",
            *_network_table("discriminator", shown[1], (H, W, 3), game),
            "",
            *_memory_lines(resident, per_step, options.batch_size, device),
            "",
            "options:",
            *(
                f"  {flag(name)} {printable(show(value))}"
                for name, value in vars(options).items()
                if value not in (None, "")
            ),
        ]
    )


def _device(options: Options) -> str:
    """Where a run with these options would compute."""
    return "gpu" if options.device == "gpu" or (options.device == "auto" and why_no_gpu() is None) else "cpu"


def _memory_lines(resident: float, per_step: float | None, batch_size: int, device: str) -> list[str]:
    kept = f"{resident / MIB:.0f} MiB of parameters, gradients and averages"
    beside = "(besides it the data set, and the libraries' own memory)"
    if per_step is None:
        return [
            f"memory of a training step: {kept}, and what a batch of {batch_size} takes, which was not measured:",
            f"measuring it would take more than {MEASURABLE / MIB:.0f} MiB itself",
        ]
    total = f"about {(resident + per_step) / MIB:.0f} MiB: {kept}, and {per_step / MIB:.0f} MiB for a batch of"
    lines = [f"memory of a training step: {total} {batch_size}", beside]
    if device == "gpu":
        lines.insert(
            1, "(measured on the CPU with the plain formulas, which keep the same arrays as the GPU's kernels)"
        )
    return lines


def _network_table(title: str, network: Layer, input_shape: tuple[int, ...], game: Game | None) -> list[str]:
    """One line per layer: name, kind, output shape (where the network has values), number of parameters."""
    x = np.zeros((1, *input_shape), game.generator.parameters.flat.dtype) if game else None
    lines = [f"{title}: input {_shape_text(input_shape)}"]
    for name, layer in network.children.items():
        x = x if x is None else layer(x)[0]
        shape = "" if x is None else _shape_text(x.shape[1:])
        lines.append(f"  {name:14} {layer!r:62} {shape:>14} {_parameter_count(layer):>12,}")
    return [*lines, f"  {_parameter_count(network):,} parameters"]


def _parameter_count(layer: Layer) -> int:
    return _count(layer, lambda one: one.parameter_specs)


def _count(layer: Layer, specs: Callable[[Layer], dict]) -> int:
    return sum(math.prod(spec.shape) for one in layer.walk() for spec in specs(one).values())


def _shape_text(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "1"


def resident_memory(options: Options, networks: tuple[Layer, Layer], device: str) -> int:
    """Bytes of the arrays that stay: parameters, their averages, buffers, and gradients of each process."""
    members = process_count((options.batch_size, *options.image_size, 3), device)
    values = sum(
        (2 + members) * _parameter_count(network) + _count(network, lambda one: one.buffer_specs)
        for network in networks
    )
    return values * np.dtype(PRECISIONS[options.precision]).itemsize


def _affordable_images(options: Options, resident: int) -> int:
    """How many images a measured step may have.

    Roughly 20 bytes per value of the outermost maps were measured for the DCGAN in float32, of which there are features
    per pixel; four times that for each block of a residual network. What is made of the weights in a step takes no more
    than they do themselves.
    """
    features, blocks = options.features, 1
    if options.model == "resnet":
        levels = [options.residual_levels(network) for network in "dg"]
        features, blocks = max(one[0][0] for one in levels), 4 * max(one[1][0] for one in levels)
    itemsize = np.dtype(PRECISIONS[options.precision]).itemsize
    per_image = 5 * itemsize * features * blocks * math.prod(options.image_size)
    return min(max(0, MEASURABLE - 2 * resident) // per_image, MOST_IMAGES)


def step_memory(options: Options, game: Game) -> tuple[float, float]:
    """Memory of a training step in bytes: of the arrays that stay, and of all others at their peak.

    Where processes share the batch, that is of all together: each has gradients of its own, and takes what a step with
    its shard takes. Steps with half of the shard and with three quarters of that are run, in the forms that the whole
    takes, and their allocations traced; a straight line through the two gives the whole, since everything else that a
    step keeps is per image. Of few images the peak may lie elsewhere in the step, where the weights are what counts; so
    half is at least ``FEWEST_IMAGES``.
    """
    device = _device(options)
    members = process_count((options.batch_size, *options.image_size, 3), device)
    networks = game.generator.network, game.discriminator.network
    resident = resident_memory(options, networks, device)
    most = _affordable_images(options, resident)
    shard = -(-options.batch_size // members)
    before = threads.thread_count()
    threads.use_all_cores(max(1, threads.core_count() // members))  # each member's; every thread has scratch memory
    operations = dispatch.implementation()
    if device == "gpu":
        dispatch.use("reference")  # patches of whole batches, kept for the backward pass
    try:
        return resident, members * _shard_memory(options, game, shard, most)
    finally:
        dispatch.use(operations)
        threads.use_all_cores(before)


def _shard_memory(options: Options, game: Game, shard: int, most: int) -> float:
    """Bytes that a step with ``shard`` images takes: measured if they are few, else by the line through two others.

    Neither of these has more than ``most`` images.
    """
    if shard <= FEWEST_IMAGES:
        return _peak(options, game, shard)
    half = max(FEWEST_IMAGES, min(-(-shard // 2), most))
    fewer = half * 3 // 4
    with batches_as_if_larger(shard / half):
        at_half = _peak(options, game, half)
    with batches_as_if_larger(shard / fewer):
        at_fewer = _peak(options, game, fewer)
    return at_half + (shard - half) * (at_half - at_fewer) / (half - fewer)


def _peak(options: Options, game: Game, images: int) -> int:
    """Bytes that one step with ``images`` images allocates on top of what is there, at its peak."""
    schedule = SCHEDULES[options.schedule]
    dtype = game.generator.parameters.flat.dtype
    real = np.full((images, *options.image_size, 3), 0.5, dtype)
    codes = latent_codes(dataclasses.replace(options, batch_size=images), 1, schedule.code_batches).astype(dtype)
    release_scratch()  # so that it counts
    tracemalloc.start()
    try:
        schedule.step(game, real, codes, 0.0)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
