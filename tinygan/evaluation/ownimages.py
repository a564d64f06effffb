"""Your own images in the paper's search: how near to this picture can the generator come?"""

import hashlib
import json
import math
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from tinygan.bars import tqdm
from tinygan.data.decode import open_image
from tinygan.data.transform import Size, centre, fit, shown
from tinygan.evaluation.trained import TrainedRun
from tinygan.files import write_atomically
from tinygan.images import enlarged, save_grid
from tinygan.reconstruction import Reconstruction, Search, summary
from tinygan.training.batched_search import usual_batch

LONGEST_STEM = 40  # characters of a file's name in that of the result


class OwnImage(NamedTuple):
    """An image as the search gets it: uint8 (H, W, 3), and in words what was done to the file."""

    path: Path
    pixels: np.ndarray
    how: str


def read_own(path: Path, run: TrainedRun, data_dir: Path | None = None) -> OwnImage:
    """Read an image of any size and fit it as the run's data was: turned upright, cropped, scaled, cut at the centre.

    Of an image that is smaller than the data's crop the largest centre of the crop's shape is taken. The run's data, in
    ``data_dir``, is asked if the run draws windows of larger images, whose size it knows. TinyganError for no image.
    """
    options, size = run.options, run.options.image_size
    whole = run.load_images(data_dir).images.shape[1:3] if "crop" in options.augment else size
    image, notes = open_image(path)
    crop = options.crop_size
    if crop:
        smaller = min(1, image.height / crop[0], image.width / crop[1])
        crop = tuple(max(1, math.floor(side * smaller)) for side in crop)
    top, left = centre(whole, size)
    pixels = np.asarray(fit(image, whole, crop))[top : top + size[0], left : left + size[1]]
    return OwnImage(path, pixels, "; ".join([_how(image, crop, whole, size), *notes]))


def _how(image: Image.Image, crop: Size | None, whole: Size, size: Size) -> str:
    """What :func:`read_own` does to an image, sizes as width x height."""
    own = image.height, image.width
    taken = crop or own
    scale = min(taken[0] / whole[0], taken[1] / whole[1])
    taken = round(whole[0] * scale), round(whole[1] * scale)
    steps = [shown(own)]
    steps += [f"centre {shown(taken)} taken"] if taken != own else []
    steps += [f"scaled to {shown(whole)}"] if taken != whole else []
    steps += [f"centre {shown(size)} of that"] if whole != size else []
    return ", ".join(steps)


def reconstruct_own(run: TrainedRun, images: list[OwnImage], search: Search, batch_size: int | None = None) -> Path:
    """Search for ``images``, write the result into the run's ``evaluation`` folder, and return the JSON file's path.

    ``own-<first file's name>-<number>.json`` holds each image's figures and code, the PNG of the same name each target
    with its reconstruction to the right of it. The number depends on images, checkpoint and search, so no
    other result takes its place.
    """
    targets = np.stack([image.pixels for image in images])
    batch_size = batch_size or usual_batch(targets.shape[1:], run.backend.device)
    steps = search.steps * (1 + search.restarts) * math.ceil(len(targets) / batch_size)
    with tqdm(total=steps, unit="step", desc="search", disable=None) as bar:
        found = run.search(targets, search, batch_size, after_step=bar.update)

    identity = {"checkpoint": run.checkpoint, "iteration": run.iteration, **search._asdict()}
    digest = hashlib.sha256(json.dumps([identity, targets.shape]).encode() + targets.tobytes()).hexdigest()
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", images[0].path.stem)[:LONGEST_STEM]
    file = run.result_file(f"own-{stem}-{digest[:8]}", {}, {})
    pairs = np.stack([targets, run.generate(found.codes)], axis=1)  # (N, 2, H, W, 3)
    columns = 2 * max(1, round(math.sqrt(len(targets) / 2)))
    save_grid(file.with_suffix(".png"), enlarged(pairs.reshape(-1, *pairs.shape[2:])), columns)
    figures = [_figures(image, found, row) for row, image in enumerate(images)]
    report = {**identity, "run": str(run.folder.path), "device": run.backend.description, "images": figures}
    write_atomically(file, json.dumps(report, indent=1).encode())
    return file


def _figures(image: OwnImage, found: Reconstruction, row: int) -> dict:
    one = Reconstruction(*(values[row : row + 1] for values in found))
    figures = {name: value for name, value in summary(one).items() if name != "std"}  # of one image there is none
    return {"file": str(image.path), "how": image.how, **figures, "code": one.codes[0].tolist()}
