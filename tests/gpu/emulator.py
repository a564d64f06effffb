"""The CUDA sources run on the CPU: the same text compiled as C++, the launch a loop over blocks and threads.

Threads run one after the other, which is a legal schedule of the launch. Where a source has barriers, the threads of a
block are fibers: each runs as far as the next barrier, then the next thread does. Shared memory holds ones in every bit
when a block begins. Arguments are checked against the kernel's signature, which CUDA itself does not do.
"""

import ctypes
import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

SHIM = """
#include <math.h>
#ifdef __SSE__
#include <xmmintrin.h>
static inline unsigned int flush_denormals()
{
    const unsigned int kept = _mm_getcsr();
    _mm_setcsr(kept | 0x8040);
    return kept;
}
static inline void restore(unsigned int kept) { _mm_setcsr(kept); }
#else
static inline unsigned int flush_denormals() { return 0; }
static inline void restore(unsigned int) {}
#endif
struct Position { unsigned int x, y, z; };
static thread_local Position threadIdx, blockIdx, blockDim, gridDim;
#define __global__
#define __device__ static inline
#define __align__(bytes) __attribute__((aligned(bytes), may_alias))
"""

FIBERS = """
#include <ucontext.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#define __shared__ static __attribute__((section("shared_memory")))
extern char __start_shared_memory[], __stop_shared_memory[];
enum { MOST = 1024, STACK = 65536 };
// A fiber is begun once and runs the body again for each block; ucontext's own switches cost a system call each.
static ucontext_t beginnings[MOST];
static jmp_buf scheduler, fibers[MOST];
static bool begun[MOST], ended[MOST];
static char *stacks;
static unsigned int running;
static void (*kernel_body)();
static void pause_fiber() { if (!_setjmp(fibers[running])) _longjmp(scheduler, 1); }
static void fiber()
{
    for (;;) {
        kernel_body();
        ended[running] = true;
        pause_fiber();
    }
}
static void __syncthreads() { pause_fiber(); }
static __attribute__((noinline)) void resume(unsigned int t)
{
    running = t;
    if (_setjmp(scheduler)) return;
    if (begun[t]) _longjmp(fibers[t], 1);
    begun[t] = true;
    setcontext(&beginnings[t]);
}
static void make_fibers()
{
    stacks = (char *)malloc((size_t)MOST * STACK);
    for (unsigned int t = 0; t < MOST; ++t) {
        getcontext(&beginnings[t]);
        beginnings[t].uc_stack.ss_sp = stacks + (size_t)t * STACK;
        beginnings[t].uc_stack.ss_size = STACK;
        beginnings[t].uc_link = 0;
        makecontext(&beginnings[t], fiber, 0);
    }
}
// False if some threads ended while others waited for them.
static bool run_block(unsigned int threads, unsigned int backwards)
{
    if (!stacks) make_fibers();
    memset(__start_shared_memory, 0xFF, (size_t)(__stop_shared_memory - __start_shared_memory));
    memset(ended, 0, sizeof ended);
    for (unsigned int done = 0; !done;) {
        for (unsigned int n = 0; n < threads; ++n) {
            const unsigned int t = backwards ? threads - 1 - n : n;
            threadIdx = {t, 0, 0};
            resume(t);
            done += ended[t];
        }
        if (done && done < threads) {
            memset(begun, 0, sizeof begun);  // those that wait are given up
            return false;
        }
    }
    return true;
}
"""

FIBER_LAUNCHER = """
static void **arguments_of_{name};
static void body_of_{name}() {{ void **arguments = arguments_of_{name}; {name}({passed}); }}
extern "C" int launch_{name}(unsigned int blocks, unsigned int threads, unsigned int backwards, void **arguments)
{{
    gridDim = {{blocks, 1, 1}};
    blockDim = {{threads, 1, 1}};
    arguments_of_{name} = arguments;
    kernel_body = body_of_{name};
    const unsigned int kept = sizeof(REAL) == 4 ? flush_denormals() : 0;
    bool fine = true;
    for (unsigned int b = 0; b < blocks && fine; ++b) {{
        blockIdx = {{backwards ? blocks - 1 - b : b, 0, 0}};
        fine = run_block(threads, backwards);
    }}
    if (sizeof(REAL) == 4) restore(kept);
    return !fine;
}}
"""

LAUNCHER = """
extern "C" int launch_{name}(unsigned int blocks, unsigned int threads, unsigned int backwards, void **arguments)
{{
    gridDim = {{blocks, 1, 1}};
    blockDim = {{threads, 1, 1}};
    const unsigned int kept = sizeof(REAL) == 4 ? flush_denormals() : 0;  // as -ftz=true does in float
    for (unsigned int b = 0; b < blocks; ++b)
        for (unsigned int t = 0; t < threads; ++t) {{
            blockIdx = {{backwards ? blocks - 1 - b : b, 0, 0}};
            threadIdx = {{backwards ? threads - 1 - t : t, 0, 0}};
            {name}({passed});
        }}
    if (sizeof(REAL) == 4) restore(kept);
    return 0;
}}
"""

KERNEL = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\)')
TYPES = {"index_t": np.uint32, "unsigned char": np.uint8, "long long": np.int64}

# Whether threads run from the last to the first: any order must give the same bits.
backwards = False

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
        self.constants = dict(option.removeprefix("-D").split("=") for option in module.options[1:])
        # The one constant that is the length of an array; the others are variables here.
        wide = tuple(f"-DWIDE={value}" for name, value in self.constants.items() if name == "WIDE")
        self.code, self.options = module.code, module.options[:1] + wide

    def __call__(self, grid: tuple[int], block: tuple[int], arguments: tuple) -> None:
        assert len(arguments) == len(self.parameters), f"{self.name} takes {len(self.parameters)} arguments"
        cells = []  # what each argument's pointer points to, kept alive for the call
        for value, (kind, pointer) in zip(arguments, self.parameters, strict=True):
            expected = self.real if kind == "REAL" else np.dtype(TYPES[kind])
            assert isinstance(value, np.ndarray) == pointer, f"{self.name}: pointer and value mixed up"
            assert value.dtype == expected, f"{self.name}: {value.dtype} where {expected} is expected"
            cells.append(np.array(value.ctypes.data, np.uintp) if pointer else np.array(value))
        pointers = (ctypes.c_void_p * len(cells))(*(cell.ctypes.data for cell in cells))
        variables = {name: value for name, value in self.constants.items() if name != "WIDE"}
        if self.constants.get("WIDE") == "4":
            assert all(v.ctypes.data % 16 == 0 for v in arguments[:: len(arguments) - 1]), f"{self.name}: not aligned"
        library = _library(self.code, self.options, tuple(variables))  # compiled when first needed
        for constant, value in variables.items():
            ctypes.c_uint.in_dll(library, constant).value = int(value)
        launch = getattr(library, f"launch_{self.name}")
        status = launch(ctypes.c_uint(grid[0]), ctypes.c_uint(block[0]), ctypes.c_uint(backwards), pointers)
        assert status == 0, f"{self.name}: threads of a block ended while others waited for them at a barrier"


@functools.cache
def _library(code: str, options: tuple[str, ...], constants: tuple[str, ...]) -> ctypes.CDLL:
    # Constants of the compiler are variables here, so that one library serves all of their values.
    launchers, variables = [], "".join(f'extern "C" {{ unsigned int {name}; }}\n' for name in constants)
    barriers = "__syncthreads" in code
    for name, parameters in signatures(code).items():
        types = [f"{kind} *" if pointer else kind for kind, pointer in parameters]
        passed = ", ".join(f"*({kind} *)arguments[{i}]" for i, kind in enumerate(types))
        launchers.append((FIBER_LAUNCHER if barriers else LAUNCHER).format(name=name, passed=passed))
    text = "\n".join([SHIM, FIBERS if barriers else "", variables, code, *launchers])
    stem = Path(_folder.name) / hashlib.sha256((text + repr(options)).encode()).hexdigest()[:16]
    if stem.with_suffix(".so").exists():  # of another process that was given this folder
        return ctypes.CDLL(str(stem.with_suffix(".so")))
    source = stem.with_suffix(f".{os.getpid()}.cpp")
    source.write_text(text)
    # Every warning an error: what CUDA's compiler only mentions is found here.
    flags = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-Wno-unused-variable"]
    own = stem.with_suffix(f".{os.getpid()}")
    command = ["g++", *flags, *options, "-shared", "-fPIC", "-o", str(own)]
    subprocess.run([*command, str(source)], check=True)
    own.replace(stem.with_suffix(".so"))
    return ctypes.CDLL(str(stem.with_suffix(".so")))
