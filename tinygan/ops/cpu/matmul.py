"""A matrix product cut into tasks along the longer side of the result."""

from functools import partial

import numpy as np

from tinygan.array import Array
from tinygan.ops.reference import ceil_div
from tinygan.runtime.scratch import aligned, scratch
from tinygan.runtime.threads import run

MOST_PARTS = 8  # Into which the longer side of the result is cut.
SMALLEST_PART = 64  # Rows or columns of a part.


def matmul(a: Array, b: Array, total: Array | None = None) -> Array:
    (M, _), N = a.shape, b.shape[1]
    y = aligned((M, N), a.dtype) if total is None else total
    longer = max(M, N)
    part = max(SMALLEST_PART, ceil_div(longer, MOST_PARTS))
    cuts = [slice(start, start + part) for start in range(0, longer, part)]

    def work(rows: slice, columns: slice) -> None:
        out = y[rows, columns]
        if total is None:
            np.matmul(a[rows], b[:, columns], out=out)
        else:
            out += np.matmul(a[rows], b[:, columns], out=scratch(out.shape, a.dtype))

    whole = slice(None)
    run(partial(work, *((cut, whole) if M >= N else (whole, cut))) for cut in cuts)
    return y
