"""Convolution by patches, the formula of ``ops/reference.py`` as tasks: for windows that tiles do not fit."""

import math
from functools import partial
from itertools import product

import numpy as np

from tinygan.ops.cpu.blocks import require_contiguous
from tinygan.ops.cpu.correlation import Correlation, channel_parts
from tinygan.ops.reference import ceil_div, fold, zero_pad
from tinygan.ops.window import Window
from tinygan.runtime.scratch import aligned, scratch
from tinygan.runtime.threads import run

NARROW = 8  # Channels. With fewer, patches are faster than tiles, and are folded by channel.
MOST_ROWS = 256  # Of a task's part of a kernel's gradient: enough to multiply fast, few enough to stay in the cache.


class PatchCorrelation(Correlation):
    """a = the patches of x as rows, (N·H'·W', kh·kw·C); d = y as rows, (N·H'·W', K); u = w as a matrix."""

    def __init__(self, window: Window, input_shape: tuple[int, int, int, int], K: int):
        super().__init__(window, input_shape, K)
        self.rows_per_image = math.prod(self.output_shape[1:3])

    def transform_input(self, x: np.ndarray) -> np.ndarray:
        a = aligned((len(x) * self.rows_per_image, math.prod(self.kernel_shape[:3])), x.dtype)

        def work(images: slice, rows: slice) -> None:
            unfold_into(a[rows], x[images], self.window)

        self.for_each_shard(work)
        return a

    def transform_output(self, y: np.ndarray) -> np.ndarray:
        return y.reshape(-1, y.shape[-1])

    def transform_kernel(self, w: np.ndarray) -> np.ndarray:
        return w.reshape(-1, w.shape[-1])

    def shard_of_input(self, x: np.ndarray) -> np.ndarray:
        a = scratch((len(x) * self.rows_per_image, math.prod(self.kernel_shape[:3])), x.dtype)
        unfold_into(a, x, self.window)
        return a

    shard_of_output = transform_output

    def multiply_forward(self, a: np.ndarray, u: np.ndarray, out: np.ndarray) -> None:
        np.matmul(a, u, out=out.reshape(-1, out.shape[-1]))

    def multiply_backward(self, d: np.ndarray, u: np.ndarray, out: np.ndarray) -> None:
        if out.shape[3] < NARROW:
            columns = np.matmul(u, d.T, out=scratch((len(u), len(d)), d.dtype))
            fold_columns(columns, self.window, out)
        else:
            multiply = np.matmul if d.shape[1] > 1 else np.multiply  # for a column times a row, 20 times as fast
            patches = multiply(d, u.T, out=scratch((len(d), len(u)), d.dtype))
            out[:] = fold(patches, self.window, out.shape)

    def weight_grad(self, a: np.ndarray, d: np.ndarray, total: np.ndarray | None = None) -> np.ndarray:
        dw = aligned(self.kernel_shape, a.dtype) if total is None else total
        rows = require_contiguous(dw).reshape(a.shape[1], d.shape[1])

        def work(part: slice) -> None:
            if total is None:
                np.matmul(a[:, part].T, d, out=rows[part])
            else:
                rows[part] += np.matmul(a[:, part].T, d, out=scratch(rows[part].shape, a.dtype))

        run(partial(work, part) for part in channel_parts(len(rows), MOST_ROWS))
        return dw


def unfold_into(out: np.ndarray, image: np.ndarray, window: Window) -> None:
    """``reference.unfold`` in one copy: (N, H, W, C) -> (N·H'·W', kh·kw·C)."""
    (kh, kw), (sh, sw), pad = window
    (N, H, W, C), padded = image.shape, zero_pad(image, pad)
    n, h, w, _ = padded.strides  # the last is any number where C is 1
    shape = N, *window.positions((H, W)), kh, kw * C
    strides = n, h * sh, w * sw, h, padded.itemsize
    out.reshape(shape)[...] = np.lib.stride_tricks.as_strided(padded, shape, strides)


def fold_columns(columns: np.ndarray, window: Window, out: np.ndarray) -> None:
    """``reference.fold`` for few channels, from patches as columns: (kh·kw·C, N·H'·W') -> (N, H, W, C).

    With the channels last, each addition would run over a few numbers at a time; here it runs over rows of the feature
    map. The image is built in planes, interleaved at the end: one for each channel and place in a stride×stride block.
    """
    (kh, kw), (sh, sw), (ph, pw) = window
    N, H, W, C = out.shape
    rows, cols = window.positions((H, W))
    taps = columns.reshape(kh, kw, C, N, rows, cols)
    t, s = ceil_div(H + 2 * ph, sh), ceil_div(W + 2 * pw, sw)
    planes = scratch((sh, sw, C, N, t, s), columns.dtype)
    planes[:] = 0
    for i, j in product(range(kh), range(kw)):
        planes[i % sh, j % sw, :, :, i // sh : i // sh + rows, j // sw : j // sw + cols] += taps[i, j]
    padded = planes.transpose(3, 4, 0, 5, 1, 2).reshape(N, t * sh, s * sw, C)
    out[:] = padded[:, ph : ph + H, pw : pw + W]
