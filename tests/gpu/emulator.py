"""The CUDA sources run on the CPU: the same text compiled as C++, the launch a loop over blocks and threads.

The kernels use neither shared memory nor barriers, so running their threads one after the other is a legal schedule of
the launch. Arguments are checked against the kernel's signature, which CUDA itself does not do.
"""

import ctypes
import functools
import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

SHIM = """
#include <math.h>
struct Position { unsigned int x, y, z; };
static thread_local Position threadIdx, blockIdx, blockDim, gridDim;
#define __global__
#define __device__ static inline
"""

LAUNCHER = """
extern "C" void launch_{name}(unsigned int blocks, unsigned int threads, void **arguments)
{{
    gridDim = {{blocks, 1, 1}};
    blockDim = {{threads, 1, 1}};
    for (unsigned int block = 0; block < blocks; ++block)
        for (unsigned int thread = 0; thread < threads; ++thread) {{
            blockIdx = {{block, 0, 0}};
            threadIdx = {{thread, 0, 0}};
            {name}({passed});
        }}
}}
"""

KERNEL = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\)')
TYPES = {"index_t": np.uint32, "unsigned char": np.uint8, "long long": np.int64}

_folder = tempfile.TemporaryDirectory(prefix="tinygan-emulator-")


def why_no_compiler() -> str | None:
    """None if the sources can be compiled as C++ here."""
    return None if shutil.which("g++") else "g++ is not installed: the CUDA sources are not run on the CPU"


def signatures(source: str) -> dict[str, list[tuple[str, bool]]]:
    """The kernels of a source with their parameters: (type without const, whether it is a pointer)."""

    def parameter(text: str) -> tuple[str, bool]:
        words = text.replace("*", " * ").split()
        return " ".join(word for word in words[:-1] if word not in ("const", "*", "__restrict__")), "*" in words

    without_comments = re.sub(r"//[^\n]*", "", source)
    return {name: [parameter(p) for p in text.split(",")] for name, text in KERNEL.findall(without_comments)}


class Module:
    """In the place of ``cupy.RawModule``: compiles at the first function that is asked for."""

    def __init__(self, code: str, options: tuple[str, ...]):
        self.code, self.options = code, tuple(options)

    def get_function(self, name: str) -> "Function":
        return Function(self, name)


class Function:
    """A kernel; called as ``cupy.RawKernel`` is, with NumPy arrays and scalars as arguments."""

    def __init__(self, module: Module, name: str):
        self.name = name
        self.parameters = signatures(module.code)[name]
        self.real = np.dtype({"float": np.float32, "double": np.float64}[module.options[0].removeprefix("-DREAL=")])
        self.launch = getattr(_library(module.code, module.options), f"launch_{name}")

    def __call__(self, grid: tuple[int], block: tuple[int], arguments: tuple) -> None:
        assert len(arguments) == len(self.parameters), f"{self.name} takes {len(self.parameters)} arguments"
        cells = []  # what each argument's pointer points to, kept alive for the call
        for value, (kind, pointer) in zip(arguments, self.parameters, strict=True):
            expected = self.real if kind == "REAL" else np.dtype(TYPES[kind])
            assert isinstance(value, np.ndarray) == pointer, f"{self.name}: pointer and value mixed up"
            assert value.dtype == expected, f"{self.name}: {value.dtype} where {expected} is expected"
            cells.append(np.array(value.ctypes.data, np.uintp) if pointer else np.array(value))
        pointers = (ctypes.c_void_p * len(cells))(*(cell.ctypes.data for cell in cells))
        self.launch(ctypes.c_uint(grid[0]), ctypes.c_uint(block[0]), pointers)


@functools.cache
def _library(code: str, options: tuple[str, ...]) -> ctypes.CDLL:
    launchers = []
    for name, parameters in signatures(code).items():
        types = [f"{kind} *" if pointer else kind for kind, pointer in parameters]
        passed = ", ".join(f"*({kind} *)arguments[{i}]" for i, kind in enumerate(types))
        launchers.append(LAUNCHER.format(name=name, passed=passed))
    text = "\n".join([SHIM, code, *launchers])
    stem = Path(_folder.name) / hashlib.sha256((text + repr(options)).encode()).hexdigest()[:16]
    stem.with_suffix(".cpp").write_text(text)
    # Every warning an error: what CUDA's compiler only mentions is found here.
    flags = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-Wno-unused-variable"]
    command = ["g++", *flags, *options, "-shared", "-fPIC", "-o", str(stem.with_suffix(".so"))]
    subprocess.run([*command, str(stem.with_suffix(".cpp"))], check=True)
    return ctypes.CDLL(str(stem.with_suffix(".so")))
