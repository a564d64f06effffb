"""The one place where the device decides: from a declaration on the page of operations to an implementation."""

import functools
import importlib
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from tinygan.array import Array
from tinygan.errors import InputError

IMPLEMENTATIONS = ("fast", "reference")
OPERATIONS: list[str] = []  # the names of all operations, in the order of the page
HOST_TYPES = np.ndarray, np.generic

Operation = Callable[..., Any]
Declared = TypeVar("Declared", bound=Operation)


class _Engine(dict[str, Operation]):
    """Name -> function of one implementation, whose module is imported when its first operation is called."""

    def __init__(self, module: str):
        super().__init__()
        self.module = module

    def __missing__(self, name: str) -> Operation:
        self[name] = getattr(importlib.import_module(f"tinygan.ops.{self.module}"), name)
        return self[name]


_FAST = _Engine("cpu"), _Engine("cuda")
_REFERENCE = (_Engine("reference"),) * 2
_host, _device = _FAST


def use(name: str) -> None:
    """Run all operations of this process on ``"fast"`` (the default) or on ``"reference"``, the plain formulas.

    Raises ValueError: any other name.
    """
    global _host, _device
    if name not in IMPLEMENTATIONS:
        raise ValueError(f"unknown implementation {name!r}: choose one of {', '.join(IMPLEMENTATIONS)}")
    _host, _device = _FAST if name == "fast" else _REFERENCE


def implementation() -> str:
    """``"fast"`` or ``"reference"``, as :func:`use` left it."""
    return "fast" if _host is _FAST[0] else "reference"


def operation(declaration: Declared) -> Declared:
    """Make a declared function call the implementation for the device of its first argument."""
    name = declaration.__name__
    OPERATIONS.append(name)

    @functools.wraps(declaration)
    def call(x: Array, *rest: object, **keywords: object) -> Any:
        if isinstance(x, HOST_TYPES):
            return _host[name](x, *rest, **keywords)
        if not hasattr(x, "dtype"):
            raise InputError(f"{name} takes arrays, found a {type(x).__name__}: give np.asarray(x, np.float32)")
        return _device[name](x, *rest, **keywords)

    return cast(Declared, call)
