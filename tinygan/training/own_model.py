"""Networks of one's own: ``--model package.module:build``."""

import importlib
import inspect
import sys
from pathlib import Path

from tinygan.array import Array
from tinygan.errors import InputError, UsageError
from tinygan.layers import Layer
from tinygan.models.pyramid import Size


def is_own(model: str) -> bool:
    """Whether ``model`` names a function, ``package.module:function``, and not a model of tinygan's."""
    module, _, function = model.partition(":")
    return all(part.isidentifier() for part in (*module.split("."), function))


def build_own(model: str, size: Size, code_size: int, features: int, norm: str) -> tuple[Layer, Layer]:
    """``build(image_size=(H, W), code_size=…, features=…, norm=…)`` of the named module: G and D, without values.

    G takes codes (N, code_size) to images (N, H, W, 3) in [0, 1], D images to logits (N,). Raises UsageError where the
    module cannot be imported, has no such function, or that returns something else.
    """
    module, _, function = model.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:  # a script's path begins with its own folder, not with the current one
        sys.path.append(here)
    wanted = {"image_size": size, "code_size": code_size, "features": features, "norm": norm}
    try:
        build = getattr(importlib.import_module(module), function)
        inspect.signature(build).bind(**wanted)
    except (ImportError, AttributeError) as error:
        line = f"--model {model}: {error}; name a function of a module in this folder or on PYTHONPATH"
        raise UsageError(line) from error
    except (TypeError, ValueError) as error:  # a few built-in functions have no signature
        raise UsageError(f"--model {model}: {error}; it is called with {', '.join(wanted)}") from error
    networks = build(**wanted)
    if not (isinstance(networks, tuple) and len(networks) == 2 and all(isinstance(one, Layer) for one in networks)):
        raise UsageError(f"--model {model} returned {networks!r}: return two layers, (G, D)")
    return networks


def check_shapes(model: str, G: Layer, D: Layer, code: Array, size: Size) -> None:
    """UsageError unless G takes a code (1, code_size) to an image of this size, and D that to one logit."""
    try:
        image = G(code)[0]
        found, expected = (image.shape, D(image)[0].shape), ((1, *size, 3), (1,))
    except InputError as error:
        raise UsageError(f"--model {model}: {error}: return (G, D), G first") from error
    if found != expected:
        raise UsageError(f"--model {model}: G gives {found[0]} and D {found[1]}; expected {expected[0]} and (1,)")
