"""Every CUDA source compiles for every generation of devices, without one."""

import re
from importlib import resources

import pytest

from tests.gpu import emulator, nvrtc
from tinygan.ops.cuda import launch, one_kernel, patches
from tinygan.ops.cuda.weight_norm import constants as units
from tinygan.ops.window import Window

SOURCES = sorted(
    file.name.removesuffix(".cu") for file in resources.files("tinygan.ops.cuda").iterdir() if ".cu" in file.name
)
SOURCES.remove("prelude.cuh")
# What sources are compiled for: a layer of the paper's network, images, and a window that leaves gaps and a rest.
CONSTANTS = {
    "gather": [one_kernel.constants((218, 178), (160, 160))],
    "patches": [
        patches.constants((16, 16, 64), Window((4, 4), (2, 2), (1, 1)), 4),
        patches.constants((160, 160, 3), Window((4, 4), (2, 2), (1, 1)), 1),
        patches.constants((9, 6, 1), Window((2, 3), (3, 2), (0, 1)), 1),
    ],
    "weight_norm": [
        units((4, 4, 64, 128), 3),
        units((4, 4, 64, 128), 2),
        units((4, 4, 256, 1), 3),
    ],
}


@pytest.mark.parametrize("architecture", ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90"])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_every_source_compiles(architecture, precision):
    reason = nvrtc.why_no_compiler()
    if reason:
        pytest.skip(reason)
    for name in SOURCES:
        for constants in CONSTANTS.get(name, ({},)):
            options = launch.definitions(precision, tuple(constants.items()))
            cubin = nvrtc.compile_cubin(launch.source(name), options, architecture)
            assert cubin.startswith(b"\x7fELF")
            for kernel in emulator.signatures(launch.source(name)):
                assert kernel.encode() in cubin


def test_a_mistake_is_found():
    reason = nvrtc.why_no_compiler()
    if reason:
        pytest.skip(reason)
    for mistake in ("REAL x = nothing;", "double unused = 1;"):
        text = launch.source("sums").replace("REAL sum = 0;", mistake + "REAL sum = 0;")
        with pytest.raises(AssertionError, match=r"sums\.cu\(\d+\)"):
            nvrtc.compile_cubin(text, launch.definitions("float32"), "sm_90")


def test_what_does_not_fit_the_registers_is_found():
    reason = nvrtc.why_no_compiler()
    if reason:
        pytest.skip(reason)
    many = "REAL many[300]; for (int k = 0; k < 300; ++k) many[k] = x[k]; x[0] = many[(int)x[300]];"
    text = f'{launch.source("sums")}\nextern "C" __global__ void too_much(REAL *x) {{ {many} }}'
    with pytest.raises(AssertionError, match=r"[Ll]ocal memory"):
        nvrtc.compile_cubin(text, launch.definitions("float32"), "sm_90")


@pytest.mark.parametrize("name", SOURCES)
def test_what_the_kernels_promise(name):
    # What the emulation does not have: warps, atomics, and shared memory without a barrier.
    text = re.sub(r"//[^\n]*", "", launch.source(name))
    assert not re.search(r"atomic|__shfl|__syncwarp|extern __shared__", text)
    assert "__shared__" not in text or "__syncthreads" in text
    # Constants of type double would take the arithmetic of float kernels to double.
    assert not re.search(r"\d\.\d|\d[eE][-+]?\d", text)
    for parameters in emulator.signatures(text).values():
        assert parameters[-1] == ("REAL", True)  # the last argument is written to; it decides the precision
    assert len(emulator.signatures(text)) == text.count("__global__")
