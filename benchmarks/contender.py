"""A contender in a process of its own that is told over a pipe what to do; while one works, the others sleep.

Run as ``python -m benchmarks.contender NAME WORKLOAD`` it answers pickled requests on its standard input with pickled
answers on its standard output; what libraries print goes to standard error. :class:`Contender` is the other end.
"""

import contextlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

from benchmarks import layertimes, machine, pairing, sampling
from benchmarks.workload import LEARNING_RATE, PARITY_STEPS, Workload
from tinygan.signals import follow_parent

ROOT = Path(__file__).parent.parent
# JAX would otherwise reserve most of the memory at once, and its peak would say nothing about what it uses.
ENVIRONMENT = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
# glibc returns large arrays to the system when they are freed, and faulting their pages in again costs a step much of
# its time. tinygan tells it not to (device.py). PyTorch as it is installed does not, but its tuning guide
# advises another allocator for the same reason: this peer gets the same settings as tinygan gives itself.
TUNED_ENVIRONMENT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
MEMORY_STEPS = 5


class ContenderError(Exception):
    """The contender's process failed; ``unavailable`` says that it cannot run on this machine at all."""

    def __init__(self, message: str, unavailable: bool = False):
        super().__init__(message)
        self.unavailable = unavailable


class Contender:
    """The process of one contender; a context manager that ends it."""

    def __init__(self, name: str, workload: Workload, environment: dict[str, str] | None = None):
        self.name = name
        command = [sys.executable, "-m", "benchmarks.contender", name, json.dumps(workload.to_json())]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=os.environ
            | ENVIRONMENT
            | (TUNED_ENVIRONMENT if name.endswith("-allocator") else {})
            | (environment or {}),
            start_new_session=True,  # Ctrl-C is for the parent, which then closes the pipe
        )

    def __enter__(self) -> "Contender":
        return self

    def __exit__(self, *error) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def ask(self, request: str, argument: int = 0):
        """The answer of ``Worker.answer_<request>``; ContenderError if there is none."""
        try:
            pickle.dump((request, argument), self.process.stdin)
            self.process.stdin.flush()
            kind, answer = pickle.load(self.process.stdout)
        except (EOFError, BrokenPipeError):
            raise ContenderError(f"its process ended with code {self.process.wait()}") from None
        if kind != "done":
            raise ContenderError(answer, unavailable=kind == "unavailable")
        return answer

    def processor_seconds(self) -> float | None:
        """Time that the process has kept processors busy so far, in all its threads; None where /proc is missing."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Worker:
    """The side that runs in the contender's process."""

    def __init__(self, name: str, workload: Workload):
        self.name, self.workload, self.contender = name, workload, None

    def answer(self, request: str, argument: int):
        return getattr(self, f"answer_{request}")(argument)

    def answer_start(self, _) -> dict[str, str]:
        """Build the contender and return the versions of its libraries."""
        from benchmarks import peers

        found = peers.library_versions(self.name)
        inputs = self.workload.inputs()
        self.baseline = _reset_peak()
        self.contender = peers.build(self.name, self.workload, inputs)
        return found

    def answer_rates(self, _) -> dict:
        """See ``machine.rates``; measured here, so that the caller keeps neither its memory nor its threads."""
        return machine.rates(self.workload.device, self.workload.precision)

    def answer_observe(self, _) -> list[dict]:
        """Losses and gradients of a first step of length 0, then the losses of the next ones.

        RMSProp's first step is lr·√10 times the sign of the gradient, and rounding decides the sign of what is near 0.
        With a step of length 0 the gradients of alternating's G, taken after D's update, do not see that.
        """
        self.contender.watch(True)
        seen = []
        for rate in (0.0, *[LEARNING_RATE] * PARITY_STEPS):
            self.contender.set_rate(rate)
            self.contender.step()
            seen.append(self.contender.observed())
        self.contender.watch(False)
        return [seen[0], *({"losses": one["losses"]} for one in seen[1:])]

    def answer_run(self, steps: int) -> float:
        """See ``pairing.timed``."""
        return pairing.timed(self.contender, steps)

    def answer_layers(self, steps: int) -> list[dict]:
        """tinygan only: see ``layertimes.measure``."""
        return layertimes.measure(self.contender, steps)

    def answer_eagerly(self, _) -> None:
        """tinygan only: operation by operation from now on."""
        self.contender.run_eagerly()

    def answer_lines(self, steps: int) -> list[dict]:
        """tinygan only: see ``sampling.measure``."""
        return sampling.measure(lambda: self.answer_run(steps), ROOT / "tinygan")

    def answer_memory(self, _) -> int:
        """Peak bytes of weights, optimiser and steps together: of the process above its baseline, or of the GPU."""
        self.answer_run(MEMORY_STEPS)
        if self.workload.device == "gpu":
            return self.contender.allocated()
        others = getattr(self.contender, "other_processes", list)()
        return _peak() - self.baseline + sum(map(_own_peak, others))


def _reset_peak() -> int:
    """Resident bytes now; the peak is counted from here on, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _own_peak(pid: int) -> int:
    """Of a process that shares memory with this one: its peak, less what it shares."""
    shared = _proc_bytes(f"{pid}/smaps_rollup", "Shared_Clean:") + _proc_bytes(f"{pid}/smaps_rollup", "Shared_Dirty:")
    return _proc_bytes(f"{pid}/status", "VmHWM:") - shared


def _proc_bytes(file: str, field: str) -> int:
    lines = Path("/proc", file).read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def _peak() -> int:
    """Largest resident size so far. Not ru_maxrss where VmHWM is known: that one starts at the parent's size."""
    try:
        return _proc_bytes("self/status", "VmHWM:")
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def serve(name: str, workload: Workload) -> None:
    """Answer requests until the pipe is closed, or the other end is killed."""
    follow_parent()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    worker = Worker(name, workload)
    while True:
        try:
            request, argument = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = "done", worker.answer(request, argument)
        except Exception as error:
            from benchmarks.peers import Unavailable

            kind = "unavailable" if isinstance(error, ImportError | Unavailable) else "failed"
            answer = kind, f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    serve(sys.argv[1], Workload(**json.loads(sys.argv[2])))
