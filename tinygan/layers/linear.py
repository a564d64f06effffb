"""The linear layer, y = x·w + b."""

from tinygan import ops
from tinygan.array import Array
from tinygan.layers.bilinear import BilinearLayer
from tinygan.ops.window import Bilinear, Kernels, TwoGradients


class Linear(BilinearLayer):
    """y = x·w + b, with x (N, C_in), w (C_in, C_out), b (C_out), y (N, C_out). Keeps x.

    >>> layer = Linear(2, 3)
    >>> _ = initialise(layer, np.random.default_rng(0))
    >>> layer(np.ones((4, 2), np.float32))[0].shape
    (4, 3)
    """

    def __init__(self, c_in: int, c_out: int, bias: bool = True, init_factor: float = 1.0):
        super().__init__((c_in, c_out), 1, bias, init_factor)

    def apply_weight(self, x: Array, w: Array, b: Array | None = None, frozen: Kernels | None = None) -> Bilinear:
        """x·w + b; backward: dx = dy·wᵀ, dw = xᵀ·dy."""
        self.expect(x, "NC", w.shape[0])
        y = ops.matmul(x, w)
        if b is not None:
            y += b

        def backward(dy: Array, need_dx: bool = True, need_dw: bool = True, total: Array | None = None) -> TwoGradients:
            dx = ops.matmul(dy, w.T) if need_dx else None
            dw = ops.matmul(x.T, dy, total) if need_dw else None
            return dx, dw

        return y, backward
