"""Convolution and its transpose on the GPU: patches and their adjoint by kernels, the products by cuBLAS."""

from tinygan.array import Array
from tinygan.ops.cuda.matmul import matmul
from tinygan.ops.cuda.patches import fold, plus, unfold
from tinygan.ops.window import Bilinear, Kernels, TwoGradients, Window


def correlate(x: Array, w: Array, window: Window, b: Array | None = None, frozen: Kernels | None = None) -> Bilinear:
    shape = x.shape  # backward shall not keep x itself
    matrix, patches = w.reshape(-1, w.shape[-1]), unfold(x, window)
    y = plus(matmul(patches, matrix), b).reshape(len(x), *window.positions(x.shape[1:3]), w.shape[-1])

    def backward(dy: Array, need_dx: bool = True, need_dw: bool = True, total: Array | None = None) -> TwoGradients:
        rows = dy.reshape(-1, w.shape[-1])
        dx = fold(matmul(rows, matrix.T), window, shape) if need_dx else None
        dw = _weight_gradient(patches, rows, w.shape, total) if need_dw else None
        return dx, dw

    return y, backward


def correlate_transpose(
    x: Array, w: Array, window: Window, b: Array | None = None, frozen: Kernels | None = None
) -> Bilinear:
    rows, matrix = x.reshape(-1, w.shape[-1]), w.reshape(-1, w.shape[-1])
    shape = (len(x), *window.image_size(x.shape[1:3]), w.shape[2])
    y = fold(matmul(rows, matrix.T), window, shape, b)

    def backward(dy: Array, need_dx: bool = True, need_dw: bool = True, total: Array | None = None) -> TwoGradients:
        patches = unfold(dy, window)
        dx = matmul(patches, matrix).reshape(x.shape) if need_dx else None
        dw = _weight_gradient(patches, rows, w.shape, total) if need_dw else None
        return dx, dw

    return y, backward


def _weight_gradient(patches: Array, rows: Array, shape: tuple[int, ...], total: Array | None) -> Array:
    """patchesᵀ·rows as a kernel of ``shape``, added to ``total`` in place if that is given."""
    return matmul(patches.T, rows, None if total is None else total.reshape(-1, shape[-1])).reshape(shape)
