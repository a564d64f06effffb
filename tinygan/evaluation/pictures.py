"""Samples and walks through the latent space, as files for people and for other programs."""

from itertools import chain
from pathlib import Path

import numpy as np

from tinygan.bars import tqdm
from tinygan.evaluation import USUAL_COUNTS
from tinygan.evaluation.trained import TrainedRun
from tinygan.images import enlarged, save_gif, save_grid, save_png_folder
from tinygan.output import write_output

WALK_STEPS = 10  # images from one end to the other
WALK_ROWS = 8
GIF_MILLISECONDS = 80


def save_samples(run: TrainedRun, count: int, seed: int, png_folder: Path | None, npz: Path | None) -> Path:
    """Write ``count`` samples and return where: PNG files, an ``.npz`` with uint8 ``images`` (N, H, W, 3), or one grid.

    The ``.npz`` has them as ``arr_0`` too, the key that the evaluators of diffusion models read. Raises TinyganError
    where the folder exists and is not empty, or cannot be written.
    """
    batches = run.samples(count, seed)
    if png_folder:
        shown = tqdm(chain.from_iterable(batches), total=count, unit="image", desc="samples", disable=None)
        save_png_folder(png_folder, shown)
        return png_folder
    images = np.concatenate(list(batches))
    if npz:
        write_output(npz, lambda file: np.savez(file, images=images, arr_0=images))
        return npz
    usual = {"count": USUAL_COUNTS["samples"]}
    path = run.result_file(f"samples-{run.checkpoint}-{seed}", {"count": count}, usual, ".png")
    save_grid(path, images, columns=max(1, round(count**0.5)))
    return path


def interpolate(run: TrainedRun, ends: np.ndarray, name: str, gif: bool, seed: int = 0) -> list[Path]:
    """A grid of walks: row r goes from code ``ends[r]`` to ``ends[r + 1]``, (R + 1, Z), in ten images.

    The path is a great arc where it can be: codes of a normal prior lie near a sphere of radius √Z, and the straight
    line between two of them passes where no code ever was (White 2016, arXiv 1609.04468). Returns the PNG's path, with
    ``gif`` also that of an animation, of images enlarged to about 256 pixels.
    """
    path = run.result_file(f"walk-{name}-{run.checkpoint}", {"seed": seed}, {"seed": 0}, ".png")
    rows = [run.generate(arc(ends[row], ends[row + 1], WALK_STEPS)) for row in range(len(ends) - 1)]
    save_grid(path, np.concatenate(rows), columns=WALK_STEPS)
    if not gif:
        return [path]
    save_gif(path.with_suffix(".gif"), (enlarged(image) for row in rows for image in row), GIF_MILLISECONDS)
    return [path, path.with_suffix(".gif")]


def arc(a: np.ndarray, b: np.ndarray, steps: int) -> np.ndarray:
    """``steps`` points from ``a`` to ``b``, (Z,) each: sin((1−t)ω)/sin ω·a + sin(tω)/sin ω·b, ω the angle between them.

    Straight where an end is 0 or the two are parallel.
    """
    t = np.linspace(0, 1, steps)[:, None]
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    angle = np.arccos(np.clip(a @ b / lengths, -1, 1)) if lengths else 0.0
    if np.sin(angle) < 1e-6:
        return (1 - t) * a + t * b
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)
