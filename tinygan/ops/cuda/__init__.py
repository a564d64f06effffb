"""The operations as CUDA kernels; a kernel's source (.cu) lies beside the Python file that launches it.

    launch.py                        sources compiled, threads counted, arguments checked
    matmul.py cublas.py              row-major products by cuBLAS, called so that they can be captured
    correlate.py patches.py          convolutions: patches by kernels, and those products

Each function is described on the page of ``tinygan/ops/__init__.py``. CuPy is imported when a function runs.
"""

# ruff: noqa: F401 (an operation is found here by its name)

from tinygan.ops.cuda.batch_norm import (
    batch_norm,
    batch_norm_backward,
    batch_norm_sums,
    batch_statistics,
    update_statistics,
)
from tinygan.ops.cuda.correlate import correlate, correlate_transpose
from tinygan.ops.cuda.matmul import matmul
from tinygan.ops.cuda.one_kernel import (
    binary_cross_entropy,
    chain_losses,
    gather_images,
    least_squares,
    record_losses,
    rmsprop,
    sigmoid,
    sigmoid_backward,
)
from tinygan.ops.cuda.rectify import rectify, rectify_backward
from tinygan.ops.cuda.sums import channel_sum
from tinygan.ops.cuda.weight_norm import channel_dot, weight_norm
from tinygan.ops.reference import add_up
