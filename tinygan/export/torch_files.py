"""For PyTorch: a safetensors file for each network, and a module of 40 lines that runs it."""

import json
from pathlib import Path

import safetensors.numpy

from tinygan.export.channelsfirst import channels_first
from tinygan.export.folded import Operation
from tinygan.export.writing import all_arrays, as_text, copy_program
from tinygan.files import write_atomically
from tinygan.models.pyramid import Size


def write_network(operations: list[Operation], size: Size, path: Path, description: dict[str, str]) -> list[Path]:
    """Write ``<path>.safetensors`` and, beside it, ``torch_network.py``."""
    operations = channels_first(operations)
    file = path.with_suffix(".safetensors")
    metadata = {"operations": as_text(operations), "image_size": json.dumps(size), **description}
    write_atomically(file, safetensors.numpy.save(all_arrays(operations), metadata))
    return [file, copy_program("torch_network.py", path.with_name("torch_network.py"))]
