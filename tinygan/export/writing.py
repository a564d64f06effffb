"""A run's networks written for another tool: what the three forms share."""

import importlib
import json
from importlib import resources
from pathlib import Path

import numpy as np

from tinygan.errors import TinyganError
from tinygan.evaluation.trained import TrainedRun
from tinygan.export.folded import Operation, operations_of
from tinygan.files import write_atomically
from tinygan.text import printable

FORMS = {"torch": "torch_files", "onnx": "onnx_files", "numpy": "numpy_files"}  # --to -> module with write_network


def export(run: TrainedRun, form: str, folder: Path) -> list[Path]:
    """Write ``generator`` and ``discriminator`` of ``run`` into the new ``folder``, with the program that runs them.

    Returns:
        The files.

    Raises:
        TinyganError: the folder is not empty, cannot be written, or a package is missing.
    """
    write_network = importlib.import_module(f"tinygan.export.{FORMS[form]}").write_network
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise TinyganError(f"--out {folder} is not empty: name a new one")
    networks = {"generator": run.game.generator.network, "discriminator": run.game.discriminator.network}
    files = []
    for name, network in networks.items():
        files += write_network(operations_of(network), run.options.image_size, folder / name, describe(run))
    return list(dict.fromkeys(files))


def describe(run: TrainedRun) -> dict[str, str]:
    """Where a network comes from."""
    options = run.options
    return {
        "run": printable(run.folder.path.resolve().name),
        "checkpoint": f"{run.checkpoint}, iteration {run.iteration}",
        "network": f"{options.model}, norm {options.norm}, code size {options.code_size}, dataset {options.dataset}",
    }


def as_text(operations: list[Operation]) -> str:
    """What is no array, as JSON: [kind, name, inputs, settings] of each operation."""
    return json.dumps([[one.kind, one.name, list(one.inputs), one.settings] for one in operations])


def all_arrays(operations: list[Operation]) -> dict[str, np.ndarray]:
    """Every array as ``<operation>.<array>``."""
    return {f"{one.name}.{name}": array for one in operations for name, array in one.arrays.items()}


def copy_program(name: str, path: Path) -> Path:
    """Put the module ``name`` of this package, which needs nothing of tinygan, at ``path``."""
    write_atomically(path, resources.files(__package__).joinpath(name).read_bytes())
    return path
