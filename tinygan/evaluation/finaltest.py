"""The reconstruction test of a trained run on one of its held-out sets, as a job that can be interrupted."""

import json
import time
from pathlib import Path

import numpy as np

from tinygan.bars import tqdm
from tinygan.errors import Choices, NonFiniteError, TinyganError
from tinygan.evaluation.trained import TrainedRun
from tinygan.files import write_atomically
from tinygan.images import save_grid
from tinygan.reconstruction import Reconstruction, Search, summary
from tinygan.runtime.workers import WorkerGroup, worker_count
from tinygan.tensorfile import load_tensors, save_tensors
from tinygan.training import ranks
from tinygan.training.batched_search import usual_batch

SHOWN = 50  # pairs of target and reconstruction in the picture


def reconstruction_test(
    run: TrainedRun,
    which_set: str,
    search: Search,
    batch_size: int | None = None,
    data_dir: Path | None = None,
    count: int | None = None,
) -> Path:
    """Reconstruct the run's ``running`` or ``final`` images and write the result into its ``evaluation`` folder.

    ``reconstruct-<set>-<checkpoint>-<steps>.json`` holds the figures of :func:`summary` and every image's loss, the PNG
    of the same name targets beside reconstructions. What is finished is kept after every batch: called again after
    an interruption with the same settings, the test goes on where it was. With a ``count`` of images below the set's,
    its first ones (the sets are in random order), ``-first<count>`` follows, and then what is unusual in the search, as
    in ``-lr0.02-adam-restarts3``. Returns the JSON file's path; raises TinyganError where the set is empty, or the data
    is not the run's.
    """
    images = run.load_images(data_dir)
    targets = images.take(Choices("set", images.split._asdict())[which_set])
    if not len(targets):
        why = f"its set is small, or packed with --{which_set}-test 0"
        raise TinyganError(f"{run.folder.path}: no {which_set} test images: {why}")
    whole, targets = len(targets), targets[:count]
    device = run.backend.device
    batch_size = batch_size or usual_batch(targets.shape[1:], device)
    identity = {"set": which_set, "checkpoint": run.checkpoint, "iteration": run.iteration, **search._asdict()}
    identity |= {"count": len(targets), "fingerprint": run.fingerprint}
    first = f"-first{len(targets)}" if len(targets) < whole else ""
    name = f"reconstruct-{which_set}-{run.checkpoint}-{search.steps}{first}"
    file = run.result_file(name, search._asdict(), {**Search()._asdict(), "steps": search.steps})
    partial = file.with_suffix(".unfinished.safetensors")
    codes, losses, seconds = _read_unfinished(partial, identity, run.options.code_size)

    group = ranks.open_ranks(run) if ranks.several() else WorkerGroup(run.game, worker_count(batch_size, device))
    with (
        group as workers,
        tqdm(total=len(targets), initial=len(losses), unit="image", desc=f"{which_set} test", disable=None) as bar,
    ):
        while len(losses) < len(targets):
            started = time.monotonic()
            rows = slice(len(losses), len(losses) + batch_size)
            found = run.search(targets, search, batch_size, rows, workers=workers)
            if not np.isfinite(found.losses).all():
                raise NonFiniteError(
                    f"the search's loss is not finite at --learning-rate {search.learning_rate}: give a smaller one"
                )
            codes, losses = np.concatenate([codes, found.codes]), np.concatenate([losses, found.losses])
            seconds += time.monotonic() - started
            save_tensors(partial, {"codes": codes, "losses": losses}, {"identity": identity, "seconds": seconds})
            bar.update(len(found.losses))

    result = Reconstruction(codes, np.zeros(0), losses)
    report = {**identity, "batch_size": batch_size, **summary(result), "seconds": round(seconds, 1)}
    report |= {"device": run.backend.description, "losses": losses.tolist()}
    pairs = np.stack([targets[:SHOWN], run.generate(codes[:SHOWN])], axis=1)  # (N, 2, H, W, 3)
    save_grid(file.with_suffix(".png"), pairs.reshape(-1, *pairs.shape[2:]))
    write_atomically(file, json.dumps(report).encode())
    partial.unlink(missing_ok=True)
    return file


def _read_unfinished(path: Path, identity: dict, code_size: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Codes, losses and seconds of what an interrupted test of the same identity has finished; else nothing."""
    try:
        stored, tensors, _ = load_tensors(path, {"identity": dict, "seconds": float})
        if stored["identity"] == identity:
            codes, losses = tensors["codes"], tensors["losses"]
            finished = len(losses) if losses.ndim == 1 else -1
            if codes.shape != (finished, code_size) or finished > identity["count"]:
                raise ValueError("its arrays do not fit")
            return codes, losses, stored["seconds"]
    except FileNotFoundError:
        pass
    except (ValueError, KeyError) as error:
        raise TinyganError(f"{path} is damaged ({error}): delete it to start this test anew") from error
    return np.zeros((0, code_size), np.float32), np.zeros(0), 0.0
