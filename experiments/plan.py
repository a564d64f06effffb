"""What an experiment trains: its members, each a training with options of its own, and the folder of its run."""

import dataclasses
import functools
import json
import re
from collections.abc import Iterable
from pathlib import Path

import tinygan
from tinygan.cli import train
from tinygan.data.transform import Size
from tinygan.errors import UsageError
from tinygan.training import options as training_options
from tinygan.training import session
from tinygan.training.options import Options, flag
from tinygan.training.runfolder import RunFolder
from tinygan.training.session import git_commit

# What a run may have been told differently and still be the same training.
MAY_DIFFER = {"iterations", "device", "data_dir", "out", "log_every", "sample_every", "save_every", "keep_every"}


Member = tuple[str, ...]  # one training, as what is typed to train.py for it beside what all have in common


def members(norms: Iterable[str], seeds: Iterable[int], settings: Iterable[str] = ()) -> list[Member]:
    """A member for each seed and norm, named after its seed: for the first seed all norms, and so on."""
    return [
        (*settings, "--norm", norm, "--seed", str(seed), "--name", f"seed{seed}") for seed in seeds for norm in norms
    ]


def options_of(command: list[str]) -> Options:
    """The options of the training that train.py starts with this command line."""
    typed = vars(train.build_parser().parse_args(command))
    preset = typed.pop("preset", None)
    return training_options.resolve(typed, preset)


def find_run(wanted: Options) -> RunFolder | None:
    """The newest folder under ``wanted.out`` with this run's title and a checkpoint to go on from."""
    title = re.compile(r"[0-9]{5}-" + re.escape(session.run_title(wanted)))
    found = sorted(path for path in Path(wanted.out).glob("*") if title.fullmatch(path.name))
    return RunFolder(found[-1]) if found and RunFolder(found[-1]).last.exists() else None


def refuse_another(run: RunFolder, wanted: Options) -> None:
    """UsageError, naming what differs, if ``run`` was trained with other options, on other images or by other code."""
    config = run.read_config()
    stored, now = config["options"], json.loads(json.dumps(dataclasses.asdict(wanted)))
    differences = [
        f"{flag(name)} {stored.get(name)} instead of {value}"
        for name, value in now.items()
        if name not in MAY_DIFFER and stored.get(name) != value
    ]
    here = _fingerprint(wanted.dataset, wanted.data_dir, wanted.image_size, wanted.crop_size)
    if config["data"]["fingerprint"] != here:
        differences.append(f"images {config['data']['fingerprint'][:20]}… instead of {here[:20]}…")
    code = git_commit() or f"version {tinygan.__version__}"
    others = {one.get("git_commit") or f"version {one['versions']['tinygan']}" for one in config["sessions"]} - {code}
    differences += [f"code {other} instead of {code}" for other in sorted(others)]
    if differences:
        raise UsageError(
            f"{run.path} is not what this experiment trains: {'; '.join(differences)}; "
            "give another --out to train anew, or options, data and commit as they were"
        )


@functools.cache
def _fingerprint(dataset: str, data_dir: str | None, image_size: Size, crop_size: Size | None) -> str:
    """The fingerprint of the images that these options name."""
    options = Options(dataset=dataset, data_dir=data_dir, image_size=image_size, crop_size=crop_size)
    return session.load_images(options).fingerprint()
