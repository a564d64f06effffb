"""Everything one training session works with, started anew or taken up from a checkpoint."""

import dataclasses
import platform
import shlex
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

import tinygan
from tinygan import data, ops
from tinygan.data.batches import BatchSource
from tinygan.data.devicebatches import open_source
from tinygan.data.imageset import ImageSet, of_array
from tinygan.device import Backend, open_backend
from tinygan.errors import TinyganError, UsageError
from tinygan.layers import Layer
from tinygan.models import build_networks
from tinygan.rng import rng_for
from tinygan.runtime.launched import launched
from tinygan.runtime.workers import WorkerGroup
from tinygan.text import started_as
from tinygan.training.checkpoint import Checkpoint, Progress, restore
from tinygan.training.history import folder_to_go_on_in
from tinygan.training.options import Options
from tinygan.training.options import resume as resumed
from tinygan.training.own_model import build_own, check_shapes, is_own
from tinygan.training.player import Player
from tinygan.training.recorded_step import RecordedGame
from tinygan.training.runfolder import RunFolder
from tinygan.training.step import Game


@dataclass
class Session:
    """What the training loop needs; ``workers``, which compute, are this process alone until the loop runs."""

    options: Options
    backend: Backend
    game: Game
    images: ImageSet
    fingerprint: str
    source: BatchSource
    folder: RunFolder
    progress: Progress
    notes: list[str] = field(default_factory=list)  # what was left out in taking the run up, a line each

    def __post_init__(self) -> None:
        self.workers = WorkerGroup(RecordedGame(*self.game), 1)


def start(options: Options, command: list[str] | None = None, images: np.ndarray | None = None) -> Session:
    """A new run in a new folder under ``options.out``; weights from ``options.seed``.

    ``command`` is written down as what started it (default: the program that runs). ``images`` are your own, uint8
    (N, H, W, 3), H and W even, instead of those that the options name; the run's data set is then a ``folder``.
    """
    own = None if images is None else of_array(images)
    if own:
        options = dataclasses.replace(options, dataset="folder", image_size=own.size, crop_size=None)
    ops.use(options.ops)
    backend = open_backend(options.device, options.precision)
    images = own or load_images(options)
    source = batch_source(images, options, backend)
    game = build_game(options, backend)
    folder = RunFolder.create(Path(options.out), run_title(options))
    progress = Progress(0, 0.0, np.zeros((0, 3), backend.dtype))
    session = Session(options, backend, game, images, images.fingerprint(), source, folder, progress)
    _describe(session, command)
    return session


def resume(
    stored: Checkpoint, options: Options, command: list[str] | None = None, images: np.ndarray | None = None
) -> Session:
    """Take up ``stored``: in its own folder if it is the run's last checkpoint, else as a branch in a new folder.

    ``options`` are the stored ones with what was changed; the rest is as in :func:`start`. Raises UsageError if that
    may not change, TinyganError if the images are not those that the run was started on.
    """
    changed = {name: value for name, value in vars(options).items() if value != getattr(stored.options, name)}
    options = resumed(stored.options, changed, stored.path)
    ops.use(options.ops)
    backend = open_backend(options.device, options.precision)
    images = load_images(options) if images is None else of_array(images)
    if images.fingerprint() != stored.fingerprint:
        raise TinyganError(
            f"the images of {options.dataset} ({images.source}) are not those that {stored.path} was trained on: "
            "give the same data with --data-dir, or start a new run"
        )
    game = build_game(options, backend)
    restore(stored, game)
    source = batch_source(images, options, backend)
    notes: list[str] = []
    folder = folder_to_go_on_in(stored, Path(options.out), run_title(options), notes)
    session = Session(options, backend, game, images, stored.fingerprint, source, folder, stored.progress, notes)
    _describe(session, command, resumed_from=str(stored.path))
    return session


def build_game(options: Options, backend: Backend) -> Game:
    """G and D with initial weights drawn from the seed, the same on every device and in every precision."""
    G, D = networks_of(options)
    game = Game(
        Player(G, rng_for(options.seed, "initial generator"), backend),
        Player(D, rng_for(options.seed, "initial discriminator"), backend),
        options.loss,
    )
    if is_own(options.model):
        check_shapes(options.model, G, D, backend.to_device(np.zeros((1, options.code_size))), options.image_size)
    return game


def networks_of(options: Options) -> tuple[Layer, Layer]:
    """G and D as the options describe them, without values yet."""
    size, code_size, norm, features = options.image_size, options.code_size, options.norm, options.features
    if is_own(options.model):
        return build_own(options.model, size, code_size, features, norm)
    residual = (options.residual_levels("g"), options.residual_levels("d")) if options.model == "resnet" else None
    return build_networks(size, code_size, norm, features, options.levels, residual)


def load_images(options: Options, data_dir: Path | str | None = None) -> ImageSet:
    """The data set that the options name, at their image size; ``data_dir`` wins over the options' own."""
    where = data_dir or options.data_dir
    return data.load(options.dataset, Path(where) if where else None, options.image_size, options.crop_size)


def batch_source(images: ImageSet, options: Options, backend: Backend) -> BatchSource:
    """Batches of the training part of ``images``; UsageError if it is smaller than one, or leaves no room to crop."""
    augment = tuple(filter(None, options.augment.split(",")))
    if "crop" in augment and images.size == images.images.shape[1:3]:
        raise UsageError(
            "--augment crop takes windows of --image-size out of larger images: prepare a set of larger ones with "
            "data_prep.py, or give a smaller --image-size"
        )
    train = images.split.train
    if options.batch_size > len(train):
        raise UsageError(
            f"--batch-size {options.batch_size} is larger than the {len(train)} training images of {images.source}"
        )
    return open_source(backend, images.images, train, options.batch_size, options.seed, augment, images.size)


def run_title(options: Options) -> str:
    """A run folder's name without its number."""
    model = "" if options.model == "dcgan" else options.model.replace(":", "-").replace(".", "-")
    return "-".join(part for part in (options.dataset, model, options.norm, options.name) if part)


def _describe(session: Session, command: list[str] | None, resumed_from: str | None = None) -> None:
    """Write the run's facts and those of this session to ``config.json``."""
    images, xp = session.images, session.backend.xp
    counts = {name: len(part) for name, part in images.split._asdict().items()}
    data = {"source": images.source, "fingerprint": session.fingerprint, "images": counts}
    versions = {"tinygan": tinygan.__version__, "python": platform.python_version(), "numpy": np.__version__}
    this_session = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "from_iteration": session.progress.iteration,
        "resumed_from": resumed_from,
        "command": shlex.join(command or started_as()),
        "device": session.backend.description,
        "ranks": launched()[1],
        "versions": versions | {xp.__name__: xp.__version__},
        "git_commit": git_commit(),
    }
    try:
        session.folder.describe({"options": dataclasses.asdict(session.options), "data": data}, this_session)
    except BaseException:
        session.folder.unlock()
        raise


def git_commit() -> str | None:
    """The commit of the source tree that runs, "-dirty" if it was changed since; None outside a git checkout of it.

    Read without git's lock on its index: a killed run would leave it there, and every later ``git add`` would fail.
    ``git describe --dirty`` takes the lock whatever it is told.
    """
    git = ["git", "--no-optional-locks", "-C", str(Path(tinygan.__file__).parent)]
    status = ["status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    known = ["ls-files", "--error-unmatch", "__init__.py"]  # not where it is installed within another checkout
    try:
        subprocess.run([*git, *known], capture_output=True, check=True)
        lines = subprocess.run([*git, *status], capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return None
    commit = next(line for line in lines if line.startswith("# branch.oid ")).split()[2]
    return commit + ("-dirty" if any(line[0] != "#" for line in lines) else "")
