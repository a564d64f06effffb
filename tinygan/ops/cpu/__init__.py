"""The operations on the CPU's cores; one that is not named here is as fast as its formula.

    blocks.py        passes over large arrays, block by block
    correlate.py     convolution and its transpose: chooses between patches.py and tiled.py, both a correlation.py
    toom_cook.py     how a convolution takes 25 products where 64 seem due; tiles.py transforms the arrays for it

Each function is described on the page of ``tinygan/ops/__init__.py``.
"""

# ruff: noqa: F401 (an operation is found here by its name)

from tinygan.ops.cpu.batch_norm import batch_norm, batch_norm_backward, batch_norm_sums, batch_statistics
from tinygan.ops.cpu.correlate import correlate, correlate_transpose
from tinygan.ops.cpu.matmul import matmul
from tinygan.ops.cpu.rectify import rectify, rectify_backward
from tinygan.ops.cpu.rmsprop import rmsprop
from tinygan.ops.cpu.sums import add_up, channel_sum
from tinygan.ops.cpu.weight_norm import weight_norm
from tinygan.ops.reference import (
    binary_cross_entropy,
    chain_losses,
    channel_dot,
    gather_images,
    least_squares,
    record_losses,
    sigmoid,
    sigmoid_backward,
    update_statistics,
)
