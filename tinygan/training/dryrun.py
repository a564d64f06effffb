"""What a run would be, without running it: networks, parameters, memory, options."""

import tracemalloc

import numpy as np

from tinygan.device import open_backend
from tinygan.layers import Layer
from tinygan.ops.cpu.correlate import batches_as_if_larger
from tinygan.runtime import threads
from tinygan.runtime.scratch import release_scratch
from tinygan.training.feed import latent_codes
from tinygan.training.options import Options, flag, show
from tinygan.training.player import Player
from tinygan.training.session import build_game
from tinygan.training.shards import process_count
from tinygan.training.step import SCHEDULES, Game

MIB = 2**20
FEWEST_IMAGES = 12


def describe(options: Options) -> str:
    """The text that ``--dry-run`` prints."""
    game = build_game(options, open_backend("cpu", "float64" if options.precision == "float64" else "float32"))
    H, W = options.image_size
    resident, per_step = step_memory(options, game)
    return "\n".join(
        [
            *_network_table("generator", game.generator, (options.code_size,)),
            "",
            *_network_table("discriminator", game.discriminator, (H, W, 3)),
            "",
            f"memory of a training step: about {(resident + per_step) / MIB:.0f} MiB: {resident / MIB:.0f} MiB of "
            f"parameters, gradients and averages, and {per_step / MIB:.0f} MiB for a batch of {options.batch_size}",
            "(besides it the data set, and the libraries' own memory)",
            "",
            "options:",
            *(f"  {flag(name)} {show(value)}" for name, value in vars(options).items() if value not in (None, "")),
        ]
    )


def _network_table(title: str, player: Player, input_shape: tuple[int, ...]) -> list[str]:
    """One line per layer: name, kind, output shape, number of parameters."""
    x = np.zeros((1, *input_shape), player.parameters.flat.dtype)
    lines = [f"{title}: input {_shape_text(input_shape)}"]
    for name, layer in player.network.children.items():
        x = layer(x)[0]
        lines.append(f"  {name:14} {layer!r:62} {_shape_text(x.shape[1:]):>14} {_parameter_count(layer):>12,}")
    return [*lines, f"  {player.parameters.flat.size:,} parameters"]


def _parameter_count(layer: Layer) -> int:
    return sum(getattr(one, name).size for one in layer.walk() for name in one.parameter_specs)


def _shape_text(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "1"


def step_memory(options: Options, game: Game) -> tuple[float, float]:
    """Memory of a training step in bytes: of the arrays that stay, and of all others at their peak.

    Where processes share the batch, that is of all together: each has gradients of its own, and takes what a step with
    its shard takes. Steps with half of the shard and with three quarters of that are run, in the forms that the whole
    takes, and their allocations traced; a straight line through the two gives the whole, since everything else that a
    step keeps is per image. Of few images the peak may lie elsewhere in the step, where the weights are what counts; so
    half is at least ``FEWEST_IMAGES``.
    """
    device = "gpu" if options.device == "gpu" else "cpu"
    members = process_count((options.batch_size, *options.image_size, 3), device)
    resident = sum(
        store.flat.nbytes for player in game[:2] for store in (*player.stores().values(), *[player.gradients] * members)
    )
    shard = -(-options.batch_size // members)
    before = threads.thread_count()
    threads.use_all_cores(max(1, threads.core_count() // members))  # each member's; every thread has scratch memory
    try:
        return resident, members * _shard_memory(options, game, shard)
    finally:
        threads.use_all_cores(before)


def _shard_memory(options: Options, game: Game, shard: int) -> float:
    """Bytes that a step with ``shard`` images takes: measured if they are few, else by the line."""
    if shard <= FEWEST_IMAGES:
        return _peak(options, game, shard)
    half = max(FEWEST_IMAGES, -(-shard // 2))
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
    codes = latent_codes(options, 1, schedule.code_batches)[:, :images].astype(dtype)
    release_scratch()  # so that it counts
    tracemalloc.start()
    try:
        schedule.step(game, real, codes, 0.0)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
