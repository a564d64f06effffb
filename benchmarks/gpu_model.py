"""How long a GPU would take for one operation of the step: a model, not a measurement.

An operation takes a floor, for its start, its end and the wait for the one before it, and the longest of four times:
its bytes at the bandwidth of the memory that they fit into; its instructions at the rate at which the device issues
them; those of them that go to the slow unit (divisions, roots, exponentials) at that unit's rate; and the rounds of
loads that wait for each other at the memory's latency. A product takes the time of the best tile and split of its
inner axis out of a few. The numbers are those of an H100; the floor and the latency are guesses to be measured.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import NamedTuple


@dataclass(frozen=True)
class Assumptions:
    """The device; seconds, bytes, and operations per second. Each is an option of ``benchmarks.gpu_bill``."""

    floor: float = 2.0e-6
    l2_latency: float = 0.17e-6
    memory_latency: float = 0.40e-6
    l2_size: float = 30e6
    l2_bandwidth: float = 5.0e12
    memory_bandwidth: float = 3.0e12
    instructions: float = 0.75 * 28.7e12
    slow_instructions: float = 0.85 * 3.59e12
    processors: int = 132
    processor_bandwidth: float = 0.1e12


ASSUMPTIONS = fields(Assumptions)
TILES = (128, 128, 2.3e12), (64, 64, 1.3e12), (128, 64, 1.8e12), (256, 128, 2.6e12)  # of a product; FLOP/s of each
SPLITS = 1, 2, 4, 8, 16, 32
SHORTEST_SPLIT = 128  # of the inner axis


class Work(NamedTuple):
    """What a kernel does beside reading and writing its arrays once.

    Attributes:
        instructions, slow: per thread, or, of kernels with a loop, per element of ``elements``.
        rounds: loads that wait for each other.
        wait: seconds that a round takes longer than the memory's latency.
        passes: how often it reads and writes its arrays.
        updated: arrays that are both read and written.
        seconds: of what is done one after the other, whatever the memory.
        serial: the same, but with nothing else under way.
        blocks: of the launch, where there may be fewer than the device has processors.
    """

    instructions: float = 0
    slow: float = 0
    elements: float = 0
    rounds: float = 0
    wait: float = 0
    passes: float = 1
    updated: int = 0
    seconds: float = 0
    serial: float = 0
    blocks: int | None = None


BLOCK = 256  # threads, as in launch.py
AHEAD = 8  # loads under way at once, as in prelude.cuh
TREE_LEVEL = 0.03e-6  # seconds, of a sum two by two in shared memory, with its barrier
ADDITION = 2.4e-9  # seconds; additions to one sum wait for each other


def _sum_of(terms: float, ahead: int = AHEAD, **more) -> Work:
    """A thread that adds up ``terms`` values, ``ahead`` of them at once."""
    return Work(rounds=math.ceil(terms / ahead), wait=ahead * ADDITION, **more)


def _unit_sums(node, traffic: float) -> Work:
    """A block for each few units: a sum over a unit, a tree in shared memory, and a pass over the unit again."""
    threads_per_unit = BLOCK // node.constants["SIDE"]
    rounds = math.ceil(node.constants["OUTER"] * node.constants["INNER"] / threads_per_unit / AHEAD)
    tree = TREE_LEVEL * math.log2(threads_per_unit)
    return Work(
        instructions=60,
        slow=2,
        elements=math.prod(node.arrays[0][0]),
        rounds=(1 + (traffic > 1)) * rounds,
        wait=AHEAD * ADDITION,
        passes=traffic,
        serial=tree,
        blocks=node.threads // BLOCK,
    )


def _rectifier_backward(*numbers) -> Work:
    channels, rows, chunks = numbers[-4:-1]
    return _sum_of(rows / chunks, AHEAD // 2, instructions=25, elements=rows * channels)


def _merge_moments(rows, channels, chunks) -> Work:
    return Work(seconds=0.02e-6 * chunks + 0.17e-6 * math.ceil(chunks / AHEAD))


def _loss(count) -> Work:
    return Work(seconds=0.5e-6 + count * 10e-9)  # a barrier, and one thread that adds the terms up


# Kernels that must be seen with their arrays: the values are read for the sum and once more for the result.
BY_NODE: dict[str, Callable[..., Work]] = {
    "weight_norm": lambda node: _unit_sums(node, 3 / 2),
    "weight_norm_gradient": lambda node: _unit_sums(node, 6 / 3),
    "channel_dot": lambda node: _unit_sums(node, 1),
}
SMALL = Work(seconds=0.3e-6)  # a kernel of a few threads
# Instructions as in the machine code for sm_90, by kernel; a function gets the kernel's numbers in their order.
KERNELS: dict[str, Work | Callable[..., Work]] = {
    "unfold": Work(50, 0),
    "fold": Work(105, 0),
    "rectifier_forward": Work(60, 3),
    "rectifier_input_gradient": Work(60, 3),
    "rectifier_backward": _rectifier_backward,
    "column_sums": lambda rows, columns, chunks: _sum_of(rows / chunks),
    "finish_sums": lambda rows, *_: _sum_of(rows / (BLOCK / 32), serial=3 * TREE_LEVEL),
    "rmsprop": Work(100, 5, updated=3),
    "sigmoid_forward": Work(60, 5),
    "sigmoid_backward": Work(30, 0),
    "gather_images": Work(90, 1),
    "batch_norm": Work(60, 3),
    "batch_norm_backward": Work(90, 6),
    "update_statistics": SMALL,
    "batch_norm_sums": lambda rows, channels, chunks: _sum_of(rows / chunks),
    "chunk_moments": lambda rows, channels, chunks: _sum_of(2 * rows / chunks, passes=2),
    "merge_moments": _merge_moments,
    "mean_loss": lambda squares, target, count: _loss(count),
    "chain_losses": lambda squares, share, floor, count: _loss(count),
    "record_losses": SMALL,
}
CUPY_INSTRUCTIONS = {"add=": 70, "multiply": 70, "divide": 70}  # per element, for the indices; of others few


class Cost(NamedTuple):
    """Of one operation: seconds, bytes read and written, floating-point operations of a product."""

    seconds: float
    bytes: float
    operations: float = 0


def cost(node, device: Assumptions) -> Cost:
    """What the model says of a recorded operation (``tests.fakecuda.Node``)."""
    if node.kind == "gemm":
        return _product(node, device)
    count = sum(nbytes for _, nbytes in node.arrays)
    if node.kind == "kernel":
        work = KERNELS.get(node.name) or BY_NODE[node.name](node)
        work = work(*node.numbers) if callable(work) else work
    else:
        work = Work(CUPY_INSTRUCTIONS.get(node.name, 0), elements=math.prod(node.arrays[-1][0]))
    # The larger arrays are those that are updated in place.
    count += sum(sorted((nbytes for _, nbytes in node.arrays), reverse=True)[: work.updated])
    elements = work.elements or node.threads
    in_l2 = count < device.l2_size
    bandwidth = device.l2_bandwidth if in_l2 else device.memory_bandwidth
    if work.blocks:
        bandwidth = min(bandwidth, work.blocks * device.processor_bandwidth)
    latency = (device.l2_latency if in_l2 else device.memory_latency) + work.wait
    longest = max(
        work.passes * count / bandwidth,
        elements * work.instructions / device.instructions,
        elements * work.slow / device.slow_instructions,
        work.rounds * latency,
        work.seconds,
    )
    return Cost(device.floor + longest + work.serial, count)


def _product(node, device: Assumptions) -> Cost:
    m, n, k = node.numbers
    operations, count = 2 * m * n * k, sum(nbytes for _, nbytes in node.arrays)
    if min(m, n) == 1 or k < 8:  # a matrix and a vector: as fast as memory
        return Cost(max(1e-6 + device.floor, count / device.l2_bandwidth + device.floor), count, operations)
    in_memory = count / (device.l2_bandwidth if count < device.l2_size else device.memory_bandwidth)
    choices = []
    for height, width, rate in TILES:
        tiles = math.ceil(m / height) * math.ceil(n / width)
        for split in SPLITS:
            if split > 1 and k / split < SHORTEST_SPLIT:
                break
            waves = math.ceil(tiles * split / device.processors)
            seconds = waves * 2 * height * width * k / split / rate
            if split > 1:  # the parts are added up by a second kernel
                seconds += 1.8e-6 + 4 * m * n * split * 2 / device.l2_bandwidth
            choices.append(max(seconds, in_memory))
    return Cost(min(choices) + device.floor + 1e-6, count, operations)
