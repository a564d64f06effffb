"""RMSProp on the CPU's cores in one pass: each block is read and written once."""

import numpy as np

from tinygan.array import Array
from tinygan.ops.cpu.blocks import for_each_block
from tinygan.runtime.scratch import scratch


def rmsprop(
    w: Array, g: Array, a: Array, learning_rate: Array | float, decay: float, epsilon: float, bounded: int = 0
) -> None:
    def work(_: int, block: slice) -> None:
        part, average = scratch(g[block].shape, g.dtype), a[block]
        np.multiply(g[block], g[block], out=part)
        part *= 1 - decay
        average *= decay
        average += part
        np.sqrt(average, out=part)
        part += epsilon
        np.divide(g[block], part, out=part)
        part *= learning_rate
        w[block] -= part
        g[block] = 0

    for_each_block(len(w), 1, work)
    np.clip(w[:bounded], 0, 1, out=w[:bounded])
