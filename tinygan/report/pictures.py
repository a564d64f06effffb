"""The run folders' picture grids inside the page: samples over time, targets and reconstructions."""

import base64
import io
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from tinygan.data.decode import FORMATS, LARGEST_FILE, quiet_decoders
from tinygan.errors import TinyganError
from tinygan.evaluation.runsummary import RunSummary
from tinygan.images import GAP
from tinygan.jsonfile import read_bytes

FRAMES = 20  # sample grids per run at most
ALL_FRAMES = 80  # of all runs together, where that leaves each as many as FEWEST
FEWEST = 6
WIDEST = 820  # pixels; larger grids are made smaller by a whole factor
PNG_BYTES = 40_000  # a PNG of this size or less is taken as it is, others become JPEG
LARGEST_GRID = 120_000_000  # pixels: 100 images of 1024x1024, with their gaps
# What Pillow's decoders raise for a damaged file.
BROKEN = (OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, ArithmeticError, struct.error, zlib.error)
STRIP_ITERATIONS, STRIP_WIDEST = 6, 280  # columns of the table of strips, pixels of a strip
STRIP_ROWS, STRIP_COLUMNS = 3, 4  # images of a grid, from its top left corner
JPEG = {"quality": 88, "subsampling": 0}  # full colour resolution: single images are a few dozen pixels wide

Box = tuple[int, int, int, int]  # left, upper, right, lower, in pixels


class Picture(NamedTuple):
    """An image that the page holds itself."""

    source: str  # as a data URL
    alt: str
    width: int
    height: int


class Card(NamedTuple):
    """A picture with its title and caption, in the run's style if it is of one run."""

    title: str
    style: str | None
    picture: Picture
    caption: str


class Slides(NamedTuple):
    """Pictures of a run by iteration; of several a slider chooses one. ``name`` is unique in the page."""

    name: str
    title: str
    style: str
    frames: list[tuple[int, Picture]]


def read_picture(path: Path) -> tuple[Image.Image, bytes]:
    """A picture of a run's folder, and the file's bytes; TinyganError if it is no image, or larger than any grid."""
    try:
        content = read_bytes(path, LARGEST_FILE)
        with quiet_decoders(), Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > LARGEST_GRID:
                raise ValueError(f"{image.width}x{image.height} pixels")
            image.load()
            return image, content
    except FileNotFoundError as error:
        raise TinyganError(f"{path} is missing: restore it") from error
    except (*BROKEN, Image.DecompressionBombError) as error:
        raise TinyganError(f"cannot read the picture {path}: delete it, and give the same command again") from error


def picture(path: Path, alt: str, box: Box | None = None, widest: int = WIDEST) -> Picture:
    """The file itself, or its part in ``box``, at most ``widest`` pixels wide; raises as :func:`read_picture`."""
    image, content = read_picture(path)
    kind = (image.format or "").lower()
    if box:
        kind, image = "", image.crop((*box[:2], *map(min, box[2:], image.size)))
    factor = -(-max(image.size) // widest)
    if factor > 1 or kind != "png" or len(content) > PNG_BYTES:
        buffer = io.BytesIO()
        image = image.convert("RGB").reduce(factor)
        image.save(buffer, format="jpeg", **JPEG)
        kind, content = "jpeg", buffer.getvalue()
    return Picture(f"data:image/{kind};base64,{base64.b64encode(content).decode()}", alt, *image.size)


def sample_cards(runs: list[RunSummary], styles: list[str]) -> list[Card | Slides]:
    """The real images, then each run's samples over iterations."""
    cards: list[Card | Slides] = _shared(runs, "samples", "reals.png", "Real images", "Real training images")
    count = min(FRAMES, max(FEWEST, ALL_FRAMES // len(runs)))
    for index, run in enumerate(runs):
        grids = evenly(numbered(run.folder.samples), count)
        frames = [
            (iteration, picture(path, f"Samples of {run.name} after {iteration:,} iterations"))
            for iteration, path in grids
        ]
        if frames:
            cards.append(Slides(f"samples-{index}", run.name, styles[index], frames))
    return cards


def strips(runs: list[RunSummary]) -> tuple[list[str], list[list[tuple[Picture | None, float | None]]]]:
    """Samples of the same codes side by side: a few iterations, and for each run its picture and running loss at each.

    No iterations where fewer than two have grids.
    """
    grids = [dict(numbered(run.folder.samples)) for run in runs]
    chosen = spread_out(sorted(set().union(*grids)))
    if len(chosen) < 2:
        return [], []
    rows = []
    for run, own in zip(runs, grids, strict=True):
        losses = {test.iteration: test.loss for test in run.tests}
        height, width = run.options.get("image_size", (32, 32))
        box = 0, 0, STRIP_COLUMNS * (width + GAP) + GAP, STRIP_ROWS * (height + GAP) + GAP
        cells = []
        for iteration in chosen:
            alt = f"{STRIP_ROWS * STRIP_COLUMNS} samples of {run.name} after {iteration:,} iterations"
            image = picture(own[iteration], alt, box, STRIP_WIDEST) if iteration in own else None
            cells.append((image, losses.get(iteration)))
        rows.append(cells)
    return [f"{iteration:,}" for iteration in chosen], rows


def spread_out(iterations: list[int]) -> list[int]:
    """At most six of the iterations above 0, in steps of about the same factor, the first and the last among them."""
    iterations = [iteration for iteration in iterations if iteration > 0]
    if len(iterations) <= STRIP_ITERATIONS:
        return iterations
    wanted = np.geomspace(iterations[0], iterations[-1], STRIP_ITERATIONS)
    return sorted({min(iterations, key=lambda one: abs(np.log(one / place))) for place in wanted})


def reconstruction_cards(runs: list[RunSummary], styles: list[str]) -> list[Card]:
    """The running test's targets, then each run's reconstructions of them at its best iteration, or the last kept."""
    cards = _shared(runs, "reconstructions", "targets.png", "Targets", "Held-out images to reconstruct")
    for run, style in zip(runs, styles, strict=True):
        tests = {test.iteration: test for test in run.tests}
        grids = dict(numbered(run.folder.reconstructions))
        iteration = run.best.iteration if run.best.iteration in grids else max(grids, default=None)
        if iteration is not None:
            loss = f", loss {tests[iteration].loss:.6f}" if iteration in tests else ""
            which = "best iteration" if iteration == run.best.iteration else "iteration"
            alt = f"The targets as {run.name} reconstructs them after {iteration:,} iterations"
            caption = f"Running test at {which} {iteration:,}{loss}"
            cards.append(Card(run.name, style, picture(grids[iteration], alt), caption))
    return cards


def final_cards(runs: list[RunSummary], styles: list[str]) -> list[Card]:
    """The pictures of the final tests: each target with its reconstruction to the right of it."""
    cards = []
    for run, style in zip(runs, styles, strict=True):
        path = run.final and run.final.path.with_suffix(".png")
        if path and path.exists():
            alt = f"Pairs of final test images and their reconstructions by {run.name}"
            caption = f"Iteration {run.final.iteration:,}, {run.final.steps:,} steps, loss {run.final.loss:.6f}"
            cards.append(Card(run.name, style, picture(path, alt), caption))
    return cards


def numbered(folder: Path) -> list[tuple[int, Path]]:
    """The grids named after their iteration, in order."""
    return sorted((int(path.stem), path) for path in folder.glob("*.png") if path.stem.isdecimal())


def evenly(items: list, count: int) -> list:
    """At most ``count`` of the items, evenly spread, the first and the last among them."""
    if len(items) <= count:
        return items
    return [items[index] for index in np.linspace(0, len(items) - 1, count).round().astype(int)]


def _shared(runs: list[RunSummary], folder: str, file: str, title: str, alt: str) -> list[Card]:
    """A picture that comparable runs have in common, once; one for each group of runs that have the same."""
    groups: dict[Picture, list[str]] = {}
    for run in runs:
        path = run.folder.path / folder / file
        if path.exists():
            groups.setdefault(picture(path, alt), []).append(run.name)
    cards = []
    for image, group in groups.items():
        names = "all runs" if len(group) == len(runs) > 1 else ", ".join(group)
        cards.append(Card(title, None, image._replace(alt=f"{alt}, of {names}"), f"{alt}; the same for {names}"))
    return cards
