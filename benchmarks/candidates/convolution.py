"""``tinygan.ops.correlate`` and its transpose by products that make their patches on the way: no patches in memory.

As the package's, product by product: where tensor cores cannot take one (:func:`why_not`), that one is the package's.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.candidates import products
from benchmarks.candidates.products import Shape
from tinygan.array import Array, array_module
from tinygan.device import TENSOR_CORES
from tinygan.ops import cuda as packaged
from tinygan.ops import dispatch
from tinygan.ops.cuda import cublas
from tinygan.ops.cuda.matmul import matmul
from tinygan.ops.cuda.patches import fold
from tinygan.ops.window import Bilinear, TwoGradients, Window

FEWEST_CHANNELS = 16  # of a result: with fewer most of a tile's columns would be empty
# The package writes a patch once and multiplies it by so many features; then its faster products outweigh the writing.
MOST_FEATURES = 256


def why_not(x: Array, shape: Shape) -> str | None:
    """None if the tiles can take a convolution of ``x``'s type on this device, else why the package's is taken."""
    if x.dtype.itemsize == 8 or not cublas.tf32:
        return "products are exact: tensor cores would round the factors"
    capability = int(array_module(x).cuda.Device().compute_capability)
    if capability < TENSOR_CORES:
        return f"compute capability {capability / 10}: mma.sync in TF32 and cp.async exist from {TENSOR_CORES / 10} on"
    if shape.places == (1, 1):
        return "the kernel covers the image: its one patch is the image"
    if shape.features < FEWEST_CHANNELS:
        return f"{shape.features} channels of the map fill less than a quarter of a tile"
    if shape.features > MOST_FEATURES:
        return f"with {shape.features} channels of the map a product takes much longer than its patches"
    return None


def why_not_to_image(shape: Shape) -> str | None:
    """None if the product to the image is to be in tiles too."""
    C = shape.image[2]
    return f"{C} channels of the image fill less than a quarter of a tile" if C < FEWEST_CHANNELS else None


def correlate(x: Array, w: Array, window: Window, b: Array | None = None, frozen: dict | None = None) -> Bilinear:
    """As :func:`tinygan.ops.correlate`; keeps x."""
    shape = Shape(x.shape[1:], window, w.shape[3])
    if why_not(x, shape):
        return packaged.correlate(x, w, window, b, frozen)
    y = products.correlate(x, w, shape, b)

    def backward(dy: Array, need_dx: bool = True, need_dw: bool = True, total: Array | None = None) -> TwoGradients:
        dx = _to_image(dy, w, shape) if need_dx else None
        dw = products.to_kernel(x, dy, shape, total) if need_dw else None
        return dx, dw

    return y, backward


def correlate_transpose(
    x: Array, w: Array, window: Window, b: Array | None = None, frozen: dict | None = None
) -> Bilinear:
    """As :func:`tinygan.ops.correlate_transpose`; keeps x."""
    shape = Shape((*window.image_size(x.shape[1:3]), w.shape[2]), window, w.shape[3])
    if why_not(x, shape):
        return packaged.correlate_transpose(x, w, window, b, frozen)
    y = _to_image(x, w, shape, b)

    def backward(dy: Array, need_dx: bool = True, need_dw: bool = True, total: Array | None = None) -> TwoGradients:
        dx = products.correlate(dy, w, shape) if need_dx else None
        dw = products.to_kernel(dy, x, shape, total) if need_dw else None
        return dx, dw

    return y, backward


def _to_image(map: Array, w: Array, shape: Shape, b: Array | None = None) -> Array:
    if why_not_to_image(shape) is None:
        return products.to_image(map, w, shape, b)
    K = shape.features
    return fold(matmul(map.reshape(-1, K), w.reshape(-1, K).T), shape.window, (len(map), *shape.image), b)


@contextmanager
def in_place() -> Iterator[None]:
    """Meanwhile every layer on a GPU takes these two in the place of the package's."""
    engine = dispatch._FAST[1]
    engine |= {"correlate": correlate, "correlate_transpose": correlate_transpose}
    try:
        yield
    finally:
        del engine["correlate"], engine["correlate_transpose"]  # the next call looks up the package's again
