"""What a run would be, without running it: networks, parameters, memory, options."""

import tracemalloc

import numpy as np

from tinygan.backend import open_backend
from tinygan.layers import Layer
from tinygan.training.feed import latent_codes
from tinygan.training.options import Options, flag, show
from tinygan.training.player import Player
from tinygan.training.session import build_game
from tinygan.training.step import SCHEDULES, Game

MIB = 2**20


def describe(options: Options) -> str:
    """The text that ``--dry-run`` prints."""
    game = build_game(options, open_backend("cpu", "float64" if options.precision == "float64" else "float32"))
    H, W = options.image_size
    fixed, per_image = step_memory(options, game)
    total = fixed + per_image * options.batch_size
    return "\n".join(
        [
            *_network_table("generator", game.generator, (options.code_size,)),
            "",
            *_network_table("discriminator", game.discriminator, (H, W, 3)),
            "",
            f"memory of a training step: about {total / MIB:.0f} MiB at batch size {options.batch_size}: "
            f"{fixed / MIB:.0f} MiB for parameters, gradients and averages, {per_image / MIB:.2f} MiB per image",
            "(measured on steps of 2 and 4 images; besides it the data set, and the libraries' own memory)",
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
    """Peak memory of arrays in one training step as (bytes that do not depend on the batch, bytes per image).

    Two steps with small batches are run and their allocations traced: a straight line through two points, since
    everything that a step keeps is either per parameter or per image.
    """
    arrays = [store.flat for player in game[:2] for store in (*player.stores().values(), player.gradients)]
    resident = sum(array.nbytes for array in arrays)
    peaks = [_peak(options, game, images) for images in (2, 4)]
    per_image = (peaks[1] - peaks[0]) / 2
    return resident + max(0.0, peaks[0] - 2 * per_image), per_image


def _peak(options: Options, game: Game, images: int) -> int:
    """Bytes that one step with ``images`` images allocates on top of what is there, at its peak."""
    schedule = SCHEDULES[options.schedule]
    dtype = game.generator.parameters.flat.dtype
    real = np.full((images, *options.image_size, 3), 0.5, dtype)
    codes = latent_codes(options, 1, schedule.code_batches)[:, :images].astype(dtype)
    tracemalloc.start()
    try:
        schedule.step(game, real, codes, 0.0)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
