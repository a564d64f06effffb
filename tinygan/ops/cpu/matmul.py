"""A matrix product cut into tasks along the longer side of the result."""

from functools import partial

import numpy as np

from tinygan.ops.reference import added, ceil_div
from tinygan.runtime.scratch import aligned
from tinygan.runtime.threads import run

MOST_PARTS, SMALLEST_PART = 8, 64  # into which a side of the result is cut; rows or columns of a part


def matmul(a: np.ndarray, b: np.ndarray, total: np.ndarray | None = None) -> np.ndarray:
    (M, _), N = a.shape, b.shape[1]
    y = aligned((M, N), a.dtype)
    longer = max(M, N)
    part = max(SMALLEST_PART, ceil_div(longer, MOST_PARTS))
    cuts = [slice(start, start + part) for start in range(0, longer, part)]
    if M >= N:
        run(partial(np.matmul, a[cut], b, out=y[cut]) for cut in cuts)
    else:
        run(partial(np.matmul, a, b[:, cut], out=y[:, cut]) for cut in cuts)
    return added(y, total)
