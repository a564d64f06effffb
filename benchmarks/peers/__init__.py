"""The contenders: tinygan and those it is measured against. Each module is imported in a process of its own.

A contender is built from (workload, inputs) and has

    step()          one whole training step: forward, backward, both updates; only enqueued where the device is a GPU
    set_rate(rate)  the learning rate of the steps that follow
    synchronise()   waits until the device has done what was enqueued
    observed()      host arrays of the last step: ``losses`` (d_real, d_fake, g), and the gradients that both updates
                    used as ``G.<name>`` and ``D.<name>``, in tinygan's axis orders
    allocated()     peak of the GPU allocator in bytes; not called on the CPU

and, if other processes compute along with it, ``other_processes()``, their ids.

Its module raises ImportError or :class:`Unavailable` where it cannot run.
"""

from importlib import import_module

from benchmarks.workload import Inputs, Workload

TINYGAN = "tinygan"
MODULES = {
    TINYGAN: "benchmarks.peers.own",
    "torch": "benchmarks.peers.torch_peer",
    "torch-channels-last": "benchmarks.peers.torch_peer",
    "torch-allocator": "benchmarks.peers.torch_peer",  # channels_last, with glibc's settings that tinygan gives itself
    "torch-compile": "benchmarks.peers.torch_peer",
    "torch-graph": "benchmarks.peers.torch_peer",
    "jax": "benchmarks.peers.jax_peer",
}
PEERS = tuple(name for name in MODULES if name != TINYGAN)


class Unavailable(Exception):
    """This contender cannot run this workload here; the message says why."""


def build(name: str, workload: Workload, inputs: Inputs):
    """The contender ``name``, ready for its first step."""
    return import_module(MODULES[name]).build(name, workload, inputs)


def library_versions(name: str) -> dict[str, str]:
    """What the contender runs on."""
    return import_module(MODULES[name]).versions()
