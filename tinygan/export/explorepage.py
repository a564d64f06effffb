"""The generator in a page: one file that holds G itself and draws, and searches, as its reader moves.

The scripts beside ``page/page.html`` run the operations of folded.py; the page holds the list, the arrays as float16 in
base64, the directions and some held-out images. Nothing is fetched from anywhere.
"""

import base64
import inspect
import io
from pathlib import Path

import numpy as np
from PIL import Image

from tinygan.evaluation.generator import TrainedGenerator
from tinygan.export.folded import Operation, operations_of
from tinygan.images import GAP
from tinygan.optim import RMSProp
from tinygan.output import write_output
from tinygan.reconstruction import Search
from tinygan.report.pictures import read_picture
from tinygan.training.runfolder import RunFolder
from tinygan.webpage import render

DIRECTIONS = 8
JACOBIAN_STEP = 1e-2  # of each code value, for the central difference
BATCH = 32  # codes at once, for memory's sake
HELD_OUT = 8  # images to search for


def write_page(generator: TrainedGenerator, path: Path) -> None:
    """Write the page of ``generator``."""
    operations, weights = packed(operations_of(generator.network))
    network = {"operations": operations, **describe(generator), "held_out": held_out_images(generator)}
    title, text = f"The generator of {generator.name}", base64.b64encode(weights).decode()
    write_output(path, render(__package__, "page/page.html", title=title, network=network, weights=text))


def packed(operations: list[Operation]) -> tuple[list[dict], bytes]:
    """The operations as JSON, and their arrays as float16, each divided by its largest value so that all fit."""
    described, weights = [], bytearray()
    for one in operations:
        settings = dict(one.settings)
        if one.kind.startswith("correlate"):
            settings["kernel"] = list(one.arrays["w"].shape[:2])
        stored = {}
        for name, array in one.arrays.items():
            scale = float(np.abs(array).max()) or 1.0
            stored[name] = {"offset": len(weights), "length": array.size, "scale": scale}
            weights += (array / scale).astype("<f2").tobytes()
        described.append({"kind": one.kind, "inputs": list(one.inputs), "settings": settings, "arrays": stored})
    return described, bytes(weights)


def describe(generator: TrainedGenerator) -> dict:
    """What the page says about the generator, and what its search needs to know."""
    options, search = generator.options, Search()
    defaults = inspect.signature(RMSProp).parameters
    height, width = options.image_size
    return {
        "image_size": [height, width],
        "code_size": options.code_size,
        "directions": np.round(principal_directions(generator), 5).tolist(),
        "search": {
            "learning_rate": search.learning_rate,
            **{name: defaults[name].default for name in ("decay", "epsilon")},
        },
        "summary": f"It turns codes of {options.code_size} values into images of {width}×{height} pixels, here in the "
        f"browser: {options.model}, norm {options.norm}, {generator.iteration:,} iterations on {options.dataset}.",
        "about": "Weights rounded to float16. The search is RMSProp with learning rate "
        f"{search.learning_rate:g}, as in the reconstruction test.",
    }


def principal_directions(generator: TrainedGenerator) -> np.ndarray:
    """The first right singular vectors (DIRECTIONS, Z) of the Jacobian ∂G/∂z at z = 0, by central differences.

    Moving the code along the first one changes the image most, in squared error for a step of a given length.
    """
    steps = JACOBIAN_STEP * np.eye(generator.code_size)
    rows = []
    for part in np.split(steps, range(BATCH, len(steps), BATCH)):
        difference = generator(part).astype(np.float64) - generator(-part)
        rows.append(difference.reshape(len(part), -1) / (2 * JACOBIAN_STEP))
    return np.linalg.svd(np.concatenate(rows).T, full_matrices=False)[2][:DIRECTIONS]


def held_out_images(generator: TrainedGenerator) -> list[str]:
    """Targets of the running test as data URLs, cut out of the run's own picture; none where there is no picture."""
    run = RunFolder(generator.source)
    picture = run.reconstructions / "targets.png"
    if not picture.exists():
        return []
    height, width = generator.options.image_size
    grid, _ = read_picture(picture)
    there = run.read_config().get("data", {}).get("images", {}).get("running", HELD_OUT)  # the others' cells are empty
    lefts = [GAP + k * (width + GAP) for k in range(min(HELD_OUT, there, grid.width // (width + GAP)))]
    return [_data_url(grid.crop((left, GAP, left + width, GAP + height))) for left in lefts]


def _data_url(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
