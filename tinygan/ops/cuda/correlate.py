"""Convolution and its transpose on the GPU: patches and their adjoint by kernels, the products by cuBLAS."""

from tinygan.array import Array
from tinygan.ops.cuda.matmul import gemm
from tinygan.ops.cuda.patches import fold, unfold
from tinygan.ops.window import BilinearBackward, Window


def correlate(
    x: Array, w: Array, window: Window, b: Array | None = None, frozen: dict[int, Array] | None = None
) -> tuple[Array, BilinearBackward]:
    matrix, patches = w.reshape(-1, w.shape[-1]), _unfold(x, window)
    y = _plus(gemm(patches, matrix), b).reshape(len(x), *window.positions(x.shape[1:3]), w.shape[-1])

    def backward(dy: Array, need_dx: bool = True, need_dw: bool = True) -> tuple[Array | None, Array | None]:
        rows = dy.reshape(-1, w.shape[-1])
        dx = _fold(gemm(rows, matrix, transpose_b=True), window, x.shape) if need_dx else None
        dw = gemm(patches, rows, transpose_a=True).reshape(w.shape) if need_dw else None
        return dx, dw

    return y, backward


def correlate_transpose(
    x: Array, w: Array, window: Window, b: Array | None = None, frozen: dict[int, Array] | None = None
) -> tuple[Array, BilinearBackward]:
    rows, matrix = x.reshape(-1, w.shape[-1]), w.reshape(-1, w.shape[-1])
    shape = (len(x), *window.image_size(x.shape[1:3]), w.shape[2])
    y = _plus(_fold(gemm(rows, matrix, transpose_b=True), window, shape), b)

    def backward(dy: Array, need_dx: bool = True, need_dw: bool = True) -> tuple[Array | None, Array | None]:
        patches = _unfold(dy, window)
        dx = gemm(patches, matrix).reshape(x.shape) if need_dx else None
        dw = gemm(patches, rows, transpose_a=True).reshape(w.shape) if need_dw else None
        return dx, dw

    return y, backward


def _unfold(x: Array, window: Window) -> Array:
    """The patches of x as rows; a view where they are rows already."""
    if _covers(window, x.shape):
        return x.reshape(len(x), -1)
    return unfold(x, *window, window.positions(x.shape[1:3]))


def _fold(patches: Array, window: Window, shape: tuple[int, int, int, int]) -> Array:
    """Patches added back to an image of ``shape`` (N, H, W, C)."""
    if _covers(window, shape):
        return patches.reshape(shape)
    return fold(patches, *window, window.positions(shape[1:3]), shape)


def _covers(window: Window, shape: tuple[int, int, int, int]) -> bool:
    """Whether the kernel covers the whole image, as in the discriminator's last layer."""
    return window.kernel == shape[1:3] and window.pad == (0, 0)


def _plus(y: Array, b: Array | None) -> Array:
    if b is not None:
        y += b
    return y
