"""One file that holds everything a run needs to go on, bit for bit.

A safetensors file: tensors of both players (parameters, buffers, optimiser averages) and the losses not yet logged;
in its metadata one JSON text with the format's version, the options, the iteration, the training time and the data
set's fingerprint. There are no generator states to save, since all random numbers are functions of (seed, iteration).
Nothing in it can run code.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from tinygan.errors import NonFiniteError, TinyganError
from tinygan.files import write_atomically
from tinygan.training.options import Options
from tinygan.training.player import Player
from tinygan.training.step import Game

FORMAT_VERSION = 1
METADATA_KEY = "tinygan"
PENDING_LOSSES = "pending_losses"


@dataclass
class Best:
    """The running test with the lowest loss so far: after which iteration, and the loss."""

    iteration: int
    loss: float


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        iteration: iterations finished.
        seconds: training time so far, over all sessions.
        pending_losses: the losses (d_real, d_fake, g) of the iterations since the last full log interval, (k, 3).
        best: the best running test, None before the first.
    """

    iteration: int
    seconds: float
    pending_losses: np.ndarray
    best: Best | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read, and not yet put into a game."""

    path: Path
    options: Options
    fingerprint: str
    progress: Progress
    tensors: dict[str, np.ndarray]


def save(path: Path, game: Game, progress: Progress, options: Options, fingerprint: str) -> None:
    """Write a checkpoint; the file that was at ``path`` stays whole until the new one is.

    Raises:
        NonFiniteError: something in the game is not finite; nothing is written.
        TinyganError: the disk refuses.
    """
    tensors = {PENDING_LOSSES: progress.pending_losses}
    for role, player in _players(game).items():
        if not player.is_finite():
            raise NonFiniteError(f"the {role} holds values that are not finite after iteration {progress.iteration}")
        for store, arrays in player.stores().items():
            tensors |= {f"{role}.{store}.{name}": array for name, array in arrays.to_host().items()}
    description = {
        "format": FORMAT_VERSION,
        "options": options.to_json(),
        "iteration": progress.iteration,
        "seconds": progress.seconds,
        "best": progress.best and asdict(progress.best),
        "fingerprint": fingerprint,
    }
    write_atomically(path, safetensors.numpy.save(tensors, {METADATA_KEY: json.dumps(description)}))


def load(path: Path) -> Checkpoint:
    """Read a checkpoint into host memory.

    Raises:
        TinyganError: no such file, not a checkpoint of tinygan, damaged, or of a newer format.
    """
    damaged = f"{path} is damaged or no checkpoint ({{}}): resume from another one"
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except FileNotFoundError:
        raise TinyganError(f"there is no checkpoint {path}") from None
    except (SafetensorError, OSError) as error:
        raise TinyganError(damaged.format(error)) from error
    if METADATA_KEY not in metadata:
        raise TinyganError(f"{path} is a safetensors file, but no checkpoint of tinygan")
    try:
        description = json.loads(metadata[METADATA_KEY])
        if description["format"] > FORMAT_VERSION:
            raise TinyganError(f"{path} was written by a newer tinygan (format {description['format']}): update it")
        best = description.get("best") and Best(**description["best"])
        progress = Progress(description["iteration"], description["seconds"], tensors.pop(PENDING_LOSSES), best)
        options = Options.from_json(description["options"])
        return Checkpoint(Path(path), options, description["fingerprint"], progress, tensors)
    except (ValueError, KeyError, TypeError) as error:
        raise TinyganError(damaged.format(repr(error))) from error


def restore(checkpoint: Checkpoint, game: Game) -> None:
    """Put a checkpoint's arrays into ``game``: all of them or none.

    Raises:
        TinyganError: a name or shape differs (another architecture), or a value is not finite.
    """
    parts = {}
    for role, player in _players(game).items():
        for store in player.stores():
            prefix = f"{role}.{store}."
            parts[role, store] = {
                name.removeprefix(prefix): tensor
                for name, tensor in checkpoint.tensors.items()
                if name.startswith(prefix)
            }
    for name, tensor in checkpoint.tensors.items():
        if not np.isfinite(tensor).all():
            raise TinyganError(f"{checkpoint.path} holds values that are not finite in {name}: use an older one")
    try:
        for check_only in (True, False):
            for (role, store), values in parts.items():
                arrays = _players(game)[role].stores()[store]
                arrays.check(values) if check_only else arrays.load(values)
    except ValueError as error:
        raise TinyganError(f"{checkpoint.path} is of another architecture: {error}") from error


def _players(game: Game) -> dict[str, Player]:
    return {"generator": game.generator, "discriminator": game.discriminator}
