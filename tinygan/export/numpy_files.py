"""For any program that reads NumPy's arrays: an .npz for each network, and a module of NumPy alone that runs it."""

import json
from pathlib import Path

import numpy as np

from tinygan.export.folded import Operation
from tinygan.export.writing import all_arrays, as_text, copy_program
from tinygan.files import write_atomically
from tinygan.models.pyramid import Size


def write_network(operations: list[Operation], size: Size, path: Path, description: dict[str, str]) -> list[Path]:
    """Write ``<path>.npz`` and, beside it, ``numpy_network.py``."""
    file = path.with_suffix(".npz")
    texts = {"operations": as_text(operations), "description": json.dumps({"image_size": size, **description})}
    write_atomically(file, lambda opened: np.savez(opened, **texts, **all_arrays(operations)))
    return [file, copy_program("numpy_network.py", path.with_name("numpy_network.py"))]
