"""Arrays with a description, in one safetensors file that notices when it was damaged.

Beside the tensors the file's metadata holds a JSON text, and a SHA-256 check sum of it and of each tensor's name, type,
shape and bytes. Nothing in it can run code.
"""

import hashlib
import json
import os
import stat
from pathlib import Path

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from tinygan.files import write_atomically
from tinygan.jsonfile import parse_json

DESCRIPTION, CHECKSUMS = "tinygan", "tinygan.checksums"  # the names in the metadata
DTYPES = ("F32", "F64")  # safetensors' names of what is computed with


def save_tensors(path: Path, tensors: dict[str, np.ndarray], description: dict) -> None:
    """Write a file, whole or not at all; TinyganError where the disk refuses."""
    text = json.dumps(description)
    checksums = json.dumps(_checksums(tensors, text))
    write_atomically(path, safetensors.numpy.save(tensors, {DESCRIPTION: text, CHECKSUMS: checksums}))


def load_tensors(path: Path, kind: object) -> tuple[dict, dict[str, np.ndarray], bool]:
    """Read such a file into host memory: description, tensors, and whether the file had check sums.

    All of these were right, then; a checkpoint of format 1 had none. ``kind`` is what the description must be, see
    :mod:`tinygan.jsonfile`. Raises OSError where the system refuses to read it, ValueError, with a phrase for people,
    where it is damaged, or something else.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("it is no file")
    open(path, "rb").close()  # the library calls every refusal of the system a missing file
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if DESCRIPTION not in metadata:
                raise ForeignFile("a safetensors file, but none of tinygan")
            tensors = {}
            for name in file.keys():  # noqa: SIM118 - it is no dict
                dtype = file.get_slice(name).get_dtype()
                if dtype not in DTYPES:
                    raise ValueError(f"{name} is of type {dtype}")
                tensors[name] = file.get_tensor(name)
    except SafetensorError as error:
        raise ValueError(error) from error
    text = metadata[DESCRIPTION]
    if CHECKSUMS in metadata:
        stored, found = parse_json(metadata[CHECKSUMS], dict[str, str]), _checksums(tensors, text)
        for name in found.keys() | stored.keys():
            if found.get(name) != stored.get(name):
                raise ValueError(f"{name or 'its description'} is not what was saved: wrong check sum")
    return parse_json(text, kind), tensors, CHECKSUMS in metadata


class ForeignFile(ValueError):
    """A safetensors file of another program."""


def _checksums(tensors: dict[str, np.ndarray], text: str) -> dict[str, str]:
    """One for each tensor, that of the description under the empty name."""
    found = {"": hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()}
    for name, tensor in tensors.items():
        digest = hashlib.sha256(f"{name} {tensor.dtype.str} {tensor.shape}".encode())
        digest.update(np.ascontiguousarray(tensor).data)
        found[name] = digest.hexdigest()
    return found
