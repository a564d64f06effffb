"""CUDA's run-time compiler by ctypes: it needs no device and no driver."""

import ctypes
import importlib.util


def why_no_compiler() -> str | None:
    """None if CUDA sources can be compiled here, else the reason and the remedy."""
    if importlib.util.find_spec("cuda") is None or importlib.util.find_spec("cuda.pathfinder") is None:
        return "nvrtc is not installed, the CUDA sources are not compiled: pip install -e '.[kernels]'"
    from cuda.pathfinder import load_nvidia_dynamic_lib

    try:
        load_nvidia_dynamic_lib("nvrtc")
    except RuntimeError:
        return "nvrtc is not found, the CUDA sources are not compiled: pip install -e '.[kernels]'"
    return None


def compile_cubin(source: str, options: tuple[str, ...], architecture: str) -> bytes:
    """Machine code for ``architecture`` (sm_75, …); AssertionError with the compiler's log if it says anything."""
    # Registers that do not suffice, and arrays that are no registers, are slow: the compiler is to say so.
    warnings = [f"--ptxas-options=--warn-on-{what}" for what in ("spills", "local-memory-usage")]
    log, cubin = _compile(source, [*options, *warnings], architecture)
    assert not log.strip(), log
    return cubin


def compile_log(source: str, options: tuple[str, ...], architecture: str) -> str:
    """What the compiler says of each kernel's registers, shared memory and spills."""
    return _compile(source, [*options, "--ptxas-options=-v"], architecture)[0]


def _compile(source: str, options: list[str], architecture: str) -> tuple[str, bytes]:
    from cuda.pathfinder import load_nvidia_dynamic_lib

    library = ctypes.CDLL(load_nvidia_dynamic_lib("nvrtc").abs_path)
    program = ctypes.c_void_p()
    status = library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None)
    assert status == 0
    try:
        # The options that CuPy adds, so that what is compiled is what will run.
        flags = [*options, f"-arch={architecture}", "--std=c++17", "-ftz=true", "--device-as-default-execution-space"]
        texts = (ctypes.c_char_p * len(flags))(*(flag.encode() for flag in flags))
        status = library.nvrtcCompileProgram(program, len(flags), texts)
        log = _text(library.nvrtcGetProgramLogSize, library.nvrtcGetProgramLog, program).rstrip(b"\0").decode()
        assert status == 0, log
        return log, _text(library.nvrtcGetCUBINSize, library.nvrtcGetCUBIN, program)
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


def _text(size_of, get, program) -> bytes:
    size = ctypes.c_size_t()
    assert size_of(program, ctypes.byref(size)) == 0
    buffer = ctypes.create_string_buffer(size.value)
    assert get(program, buffer) == 0
    return buffer.raw
