"""The machine that was measured on: its description, and how fast it multiplies and copies."""

import os
import platform
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from tinygan.device import open_backend
from tinygan.ops.cuda.matmul import matmul
from tinygan.rng import rng_for
from tinygan.runtime.cores import allowed_cores
from tinygan.training.session import git_commit

PRODUCT_SIZES = {"cpu": 2048, "gpu": 8192}
COPY_BYTES = {"cpu": 2**28, "gpu": 2**30}
REPEATS = 7


def description() -> dict:
    """Processor, cores, memory, system; the GPU's name comes with the rates."""
    return {
        "processor": _processor(),
        "cores": allowed_cores(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


commit = git_commit  # of the checkout that tinygan is imported from


def rates(device: str, precision: str) -> dict:
    """``flops`` per second of a large matrix product, ``bytes`` per second (read and written) of a large copy.

    Best of several repeats: the limit is what the machine can do when nothing disturbs it.
    """
    backend = open_backend(device, precision)
    xp, side = backend.xp, PRODUCT_SIZES[device]
    # Random numbers: on constant ones a GPU draws less power, and is faster than in real work.
    a, b = (backend.to_device(rng_for(0, name).random((side, side), np.float32)) for name in "ab")
    multiply = np.matmul if device == "cpu" else matmul  # CuPy's own does not know about our precision
    with threadpool_limits(allowed_cores(), "blas"):  # tinygan allows BLAS one thread: its products run side by side
        product = _best(backend, lambda: multiply(a, b))
    source = xp.ones(COPY_BYTES[device], xp.uint8)
    target = xp.empty_like(source)
    copy = _best(backend, lambda: xp.copyto(target, source))
    return {"device": backend.description, "flops": 2 * side**3 / product, "bytes": 2 * source.nbytes / copy}


def _best(backend, work) -> float:
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        if backend.device == "gpu":
            backend.xp.cuda.get_current_stream().synchronize()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
