"""Convolution and its transpose on the CPU's cores: by tiles where the window allows it, else by patches."""

from collections.abc import Iterator
from contextlib import contextmanager

from tinygan.array import Array
from tinygan.ops.cpu.correlation import Correlation
from tinygan.ops.cpu.patches import NARROW, PatchCorrelation
from tinygan.ops.cpu.tiled import TiledCorrelation
from tinygan.ops.cpu.tiles import Tiles, kernel_blocks
from tinygan.ops.window import Bilinear, Kernels, TwoGradients, Window
from tinygan.runtime.threads import batched_tasks

POINTS = 3, 4, 5  # Evaluation points each way to choose from. With more, rounding is worse.
KERNEL_ROWS = 40  # Rows of a product that take as long as transforming the kernel to one point and its gradient back.
POINT_ROW = 1.25  # Rows of a product of patches that take as long as one at a point: many small products are slower.

_batch_scale = 1.0  # see batches_as_if_larger


def correlate(x: Array, w: Array, window: Window, b: Array | None = None, frozen: Kernels | None = None) -> Bilinear:
    algorithm = choose(window, x.shape, w.shape[3])
    if frozen is not None:
        u = _frozen_kernel(algorithm, w, frozen)
        return algorithm.forward_by_shards(x, u, b), lambda dy, *_: (algorithm.input_grad_by_shards(dy, u), None)
    with batched_tasks():
        a, u = algorithm.transform_input(x), algorithm.transform_kernel(w)
    y = algorithm.forward(a, u, b)

    def backward(dy: Array, need_dx: bool = True, need_dw: bool = True, total: Array | None = None) -> TwoGradients:
        d = algorithm.transform_output(dy)
        with batched_tasks():
            dx = algorithm.input_grad(d, u) if need_dx else None
            dw = algorithm.weight_grad(a, d, total) if need_dw else None
        return dx, dw

    return y, backward


def correlate_transpose(
    x: Array, w: Array, window: Window, b: Array | None = None, frozen: Kernels | None = None
) -> Bilinear:
    algorithm = choose(window, (len(x), *window.image_size(x.shape[1:3]), w.shape[2]), w.shape[3])
    if frozen is not None:
        u = _frozen_kernel(algorithm, w, frozen)
        return algorithm.input_grad_by_shards(x, u, b), lambda dy, *_: (algorithm.forward_by_shards(dy, u), None)
    with batched_tasks():
        d, u = algorithm.transform_output(x), algorithm.transform_kernel(w)
    y = algorithm.input_grad(d, u, b)

    def backward(dy: Array, need_dx: bool = True, need_dw: bool = True, total: Array | None = None) -> TwoGradients:
        a = algorithm.transform_input(dy)
        with batched_tasks():
            dx = algorithm.forward(a, u) if need_dx else None
            dw = algorithm.weight_grad(a, d, total) if need_dw else None
        return dx, dw

    return y, backward


def choose(window: Window, input_shape: tuple[int, int, int, int], K: int) -> Correlation:
    """The algorithm with the fewest rows in all products; patches where there are few channels.

    Large tiles take fewer products for large feature maps, but more evaluation points, to each of which the kernel has
    to be transformed. Patches need no transform: they are best for few small maps.
    """
    patches = PatchCorrelation(window, input_shape, K)
    if not Tiles.fits(window) or min(input_shape[3], K) < NARROW:
        return patches
    r, batch = kernel_blocks(window), input_shape[0] * _batch_scale
    costs = {patches: r * r * patches.rows_per_image * batch}
    for m in (n - r + 1 for n in POINTS if n > r):
        tiled = TiledCorrelation(window, input_shape, K, m)
        costs[tiled] = POINT_ROW * tiled.points * (tiled.rows_per_image * batch + KERNEL_ROWS)
    return min(costs, key=costs.get)


@contextmanager
def batches_as_if_larger(scale: float) -> Iterator[None]:
    """Within it, batches take the algorithms that batches ``scale`` times as large would: to measure with a part."""
    global _batch_scale
    _batch_scale = scale
    try:
        yield
    finally:
        _batch_scale = 1.0


def _frozen_kernel(algorithm: Correlation, w: Array, frozen: Kernels) -> Array:
    """The transformed kernel, kept by number of evaluation points: batches of other sizes may take other tiles."""
    if algorithm.points not in frozen:
        frozen[algorithm.points] = algorithm.transform_kernel(w)
    return frozen[algorithm.points]
