"""One file that holds everything a run needs to go on, bit for bit.

A safetensors file with check sums (``tensorfile.py``): tensors of both players (parameters, buffers, optimiser
averages) and the losses not yet logged; as its description the format's version, the options, the iteration, the
training time and the data set's fingerprint. Random numbers are functions of (seed, iteration), and have no state.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tinygan.device import PRECISIONS
from tinygan.errors import NonFiniteError, TinyganError
from tinygan.jsonfile import check
from tinygan.parameters import Parameters
from tinygan.tensorfile import ForeignFile, load_tensors, save_tensors
from tinygan.training.options import Options
from tinygan.training.step import Game

FORMAT_VERSION = 2  # 1 had no check sums
PENDING_LOSSES = "pending_losses"
ROLES = ("generator", "discriminator")
# What the description must be, see jsonfile.py.
KIND = {"iteration": int, "seconds": float, "fingerprint": str, "options": dict, "best?": dict | None}
BEST_KIND = {"iteration": int, "loss": float}


@dataclass
class Best:
    """The running test with the lowest loss so far: after which iteration, and the loss."""

    iteration: int
    loss: float


@dataclass
class Progress:
    """How far a run is."""

    iteration: int  # finished
    seconds: float  # of training, over all sessions
    pending_losses: np.ndarray  # (d_real, d_fake, g) of the iterations since the last full log interval, (k, 3)
    best: Best | None = None  # None before the first running test


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read, but not yet put into a game."""

    path: Path
    options: Options
    fingerprint: str
    progress: Progress
    tensors: dict[str, np.ndarray]


def save(path: Path, game: Game, progress: Progress, options: Options, fingerprint: str) -> None:
    """Write a checkpoint; the file that was at ``path`` stays whole until the new one is.

    Raises NonFiniteError: something in the game is not finite; nothing is written; TinyganError: the disk refuses.
    """
    tensors = {PENDING_LOSSES: progress.pending_losses}
    for part, arrays in _stores(game).items():
        if not arrays.backend.xp.isfinite(arrays.flat).all():
            role = part.partition(".")[0]
            raise NonFiniteError(f"the {role} holds values that are not finite after iteration {progress.iteration}")
        tensors |= {f"{part}.{name}": array for name, array in arrays.to_host().items()}
    description = {
        "format": FORMAT_VERSION,
        "options": asdict(options),
        "iteration": progress.iteration,
        "seconds": progress.seconds,
        "best": progress.best and asdict(progress.best),
        "fingerprint": fingerprint,
    }
    save_tensors(path, tensors, description)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint into host memory.

    Raises TinyganError: no such file, not a checkpoint of tinygan, damaged, or of a newer format; OSError: the system
    refuses to read it, which says nothing of what is in it.
    """
    path = Path(path)
    try:
        description, tensors, checked = load_tensors(path, {"format": int})
        if description["format"] > FORMAT_VERSION:
            raise TinyganError(f"{path} was written by a newer tinygan (format {description['format']}): update it")
        if not checked and description["format"] > 1:
            raise ValueError("its check sums are missing")
        return _understand(path, description, tensors)
    except FileNotFoundError:
        raise TinyganError(f"there is no checkpoint {path}: name a run's folder, or latest") from None
    except ForeignFile:
        raise TinyganError(f"{path} is a safetensors file, but no checkpoint of tinygan") from None
    except ValueError as error:
        raise TinyganError(f"{path} is damaged or no checkpoint ({error}): use another one of the run") from error


def _understand(path: Path, description: dict, tensors: dict[str, np.ndarray]) -> Checkpoint:
    """The checkpoint in a file's content; ValueError where there is none."""
    check(description, KIND)
    best = description.get("best")
    if best is not None:
        check(best, BEST_KIND, "best")
        best = Best(best["iteration"], best["loss"])
    try:
        options = Options.from_json(description["options"])
    except TinyganError as error:
        raise ValueError(error) from error
    for name, tensor in tensors.items():
        if tensor.dtype != PRECISIONS[options.precision]:
            raise ValueError(f"{name} is {tensor.dtype}, not as --precision {options.precision}")
    iteration, pending = description["iteration"], tensors.pop(PENDING_LOSSES, np.zeros(0))
    if pending.ndim != 2 or pending.shape[1] != 3 or len(pending) > iteration or not np.isfinite(pending).all():
        raise ValueError(f"{PENDING_LOSSES} are not those of an iteration's end")
    progress = Progress(iteration, description["seconds"], pending, best)
    return Checkpoint(path, options, description["fingerprint"], progress, tensors)


def restore(checkpoint: Checkpoint, game: Game) -> None:
    """Put all arrays into ``game``, or none: TinyganError if a name or shape differs, or a value is not finite."""
    stores = _stores(game)
    found: dict[str, dict[str, np.ndarray]] = {part: {} for part in stores}
    for full_name, tensor in checkpoint.tensors.items():
        role, _, rest = full_name.partition(".")
        store, _, name = rest.partition(".")
        if f"{role}.{store}" not in found:
            raise TinyganError(f"{checkpoint.path} is of another architecture: unexpected {full_name}")
        if not np.isfinite(tensor).all():
            raise TinyganError(f"{checkpoint.path} holds values that are not finite in {full_name}: use an older one")
        found[f"{role}.{store}"][name] = tensor
    try:
        for part, arrays in stores.items():
            arrays.check(found[part])
    except ValueError as error:
        raise TinyganError(f"{checkpoint.path} is of another architecture: {error}") from error
    for part, arrays in stores.items():
        arrays.load(found[part])


def _stores(game: Game) -> dict[str, Parameters]:
    """All arrays of both players, by the prefix of their tensors' names, such as ``generator.parameters``."""
    return {f"{role}.{name}": store for role in ROLES for name, store in getattr(game, role).stores().items()}
