"""Matrix products cut into tasks."""

from functools import partial

import numpy as np

from tinygan.array import Array, on_gpu
from tinygan.ops.cuda.matmul import matmul
from tinygan.runtime.threads import run

MOST_PARTS, SMALLEST_PART = 8, 64  # how a side of the result is cut


def multiply(a: Array, b: Array) -> Array:
    """a·b, a new array, (M, K), (K, N) -> (M, N); on the CPU the longer side of the result is cut for the cores."""
    if on_gpu(a):
        return matmul(a, b)
    (M, _), N = a.shape, b.shape[1]
    y = np.empty((M, N), a.dtype)
    longer = max(M, N)
    part = max(SMALLEST_PART, -(-longer // MOST_PARTS))
    cuts = [slice(start, start + part) for start in range(0, longer, part)]
    if M >= N:
        run(partial(np.matmul, a[cut], b, out=y[cut]) for cut in cuts)
    else:
        run(partial(np.matmul, a, b[:, cut], out=y[:, cut]) for cut in cuts)
    return y
