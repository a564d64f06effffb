"""A run's networks written for another tool: a file for each network, and beside it the program that runs it."""

import json
from importlib import resources
from pathlib import Path

import numpy as np
import safetensors.numpy

from tinygan.errors import Choices
from tinygan.evaluation.generator import TrainedGenerator
from tinygan.export.channelsfirst import channels_first
from tinygan.export.folded import Operation, Shapes, operations_of
from tinygan.files import write_atomically
from tinygan.output import make_new_folder


def export(generator: TrainedGenerator, form: str, folder: Path) -> list[Path]:
    """Write a generator, and its discriminator if there is one, into ``folder``, and return the paths.

    ``form`` is "torch", "onnx" or "numpy". TinyganError where the folder is not empty.
    """
    write_network = FORMS[form]
    if form == "onnx":
        from tinygan.export.onnx_files import write_network  # only here: it needs the onnx package
    make_new_folder(folder := Path(folder), "--out")
    code, image = (generator.code_size,), (*generator.options.image_size, 3)
    networks = {"generator": (generator.network, Shapes(code, image))}
    if generator.discriminator is not None:
        networks["discriminator"] = generator.discriminator, Shapes(image, ())
    files = []
    for name, (network, shapes) in networks.items():
        files += write_network(operations_of(network), shapes, folder / name, describe(generator))
    return list(dict.fromkeys(files))


def describe(generator: TrainedGenerator) -> dict[str, str]:
    """Where a network comes from."""
    options, at = generator.options, f"iteration {generator.iteration}"
    return {
        "run": generator.name,
        "checkpoint": f"{generator.checkpoint}, {at}" if generator.checkpoint else at,
        "image_size": json.dumps(options.image_size),
        "network": f"{options.model}, norm {options.norm}, code size {options.code_size}, dataset {options.dataset}",
    }


def write_numpy(operations: list[Operation], shapes: Shapes, path: Path, description: dict[str, str]) -> list[Path]:
    """For any program that reads NumPy's arrays: ``<path>.npz``, and a module of NumPy alone that runs it."""
    file = path.with_suffix(".npz")
    texts = {
        "operations": _as_text(operations),
        "description": json.dumps({"input": shapes.x, "output": shapes.y, **description}),
    }
    write_atomically(file, lambda opened: np.savez(opened, **texts, **_all_arrays(operations)))
    return [file, _copy_program("numpy_network.py", path.parent)]


def write_torch(operations: list[Operation], shapes: Shapes, path: Path, description: dict[str, str]) -> list[Path]:
    """For PyTorch: ``<path>.safetensors``, and a module of 40 lines that runs it."""
    operations = channels_first(operations, 1 + len(shapes.x))
    file = path.with_suffix(".safetensors")
    metadata = {"operations": _as_text(operations), **description}
    write_atomically(file, safetensors.numpy.save(_all_arrays(operations), metadata))
    return [file, _copy_program("torch_network.py", path.parent)]


def _as_text(operations: list[Operation]) -> str:
    """What is no array, as JSON: [kind, name, inputs, settings] of each operation."""
    return json.dumps([[one.kind, one.name, list(one.inputs), one.settings] for one in operations])


def _all_arrays(operations: list[Operation]) -> dict[str, np.ndarray]:
    """Every array as ``<operation>.<array>``."""
    return {f"{one.name}.{name}": array for one in operations for name, array in one.arrays.items()}


def _copy_program(name: str, folder: Path) -> Path:
    """Put the module ``name`` of this package, which needs nothing of tinygan, into ``folder``."""
    write_atomically(folder / name, resources.files(__package__).joinpath(name).read_bytes())
    return folder / name


# The last one is imported when it is asked for.
FORMS = Choices("form", {"torch": write_torch, "numpy": write_numpy, "onnx": None})
