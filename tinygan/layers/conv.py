"""Convolution and transposed convolution, each a matrix product on patches.

Both are written with one matrix U, the patches of the larger image as rows. Convolution multiplies it, y = U(x)·w;
transposed convolution is the adjoint of that map with the same kernel array, y = Uᵀ(x·wᵀ). So the forward pass of one
is the input gradient of the other. The operations are :func:`tinygan.ops.correlate` and its transpose.
"""

import math

from tinygan import ops
from tinygan.array import Array
from tinygan.errors import UsageError
from tinygan.layers.bilinear import BilinearLayer
from tinygan.ops.window import Bilinear, Kernels, Window

Size = int | tuple[int, int]  # one number, or (vertical, horizontal)


class _Windowed(BilinearLayer):
    """A window, and a kernel (kh, kw, *channels) whose ``output_axis`` counts output channels."""

    def __init__(self, channels: tuple[int, int], output_axis: int, kernel: Size, stride: Size, pad: Size, bias: bool):
        self.window = Window(*(one if isinstance(one, tuple | list) else (one, one) for one in (kernel, stride, pad)))
        if min(self.window.stride) < 1 or min(self.window.pad) < 0:
            given = f"kernel {kernel}, stride {stride}, pad {pad}"
            raise UsageError(f"{given}: strides must be at least 1, and pads at least 0")
        super().__init__((*self.window.kernel, *channels), output_axis, bias)

    def __repr__(self) -> str:
        kernel, stride, pad = (f"{a}×{b}" if a != b else str(a) for a, b in self.window)
        return f"{type(self).__name__} kernel {kernel}, stride {stride}, pad {pad}"


class Conv2d(_Windowed):
    """Cross-correlation with a kernel, as every deep-learning library calls convolution.

    y[n,i,j,o] = Σ x[n, i·stride + u − pad, j·stride + v − pad, c]·w[u,v,c,o] + b[o] over u, v, c, with
    x (N, H, W, C_in), w (kh, kw, C_in, C_out), b (C_out), y (N, H', W', C_out), x = 0 outside the image and
    H' = floor((H + 2·pad − kh)/stride) + 1. Keeps the patches of x, (N·H'·W', kh·kw·C_in), or its tiles.

    ``kernel``, ``stride`` and ``pad`` are pixels, one number or (vertical, horizontal).

    >>> layer = Conv2d(3, 8, kernel=4, stride=2, pad=1)
    >>> _ = initialise(layer, np.random.default_rng(0))
    >>> layer(np.zeros((5, 32, 32, 3), np.float32))[0].shape
    (5, 16, 16, 8)
    """

    def __init__(self, c_in: int, c_out: int, kernel: Size, stride: Size = 1, pad: Size = 0, bias: bool = True):
        super().__init__((c_in, c_out), 3, kernel, stride, pad, bias)

    def apply_weight(self, x: Array, w: Array, b: Array | None = None, frozen: Kernels | None = None) -> Bilinear:
        """U(x)·w + b; backward: dx = Uᵀ(dy·wᵀ), dw = U(x)ᵀ·dy."""
        self.expect(x, "NHWC", w.shape[2])
        if min(self.window.positions(x.shape[1:3])) < 1:
            self.refuse(x, "an image that the kernel fits into")
        return ops.correlate(x, w, self.window, b, frozen)


class ConvTranspose2d(_Windowed):
    """The adjoint of a convolution: every input pixel paints its kernel, scaled, into the output.

    y[n, i·stride + u − pad, j·stride + v − pad, o] = Σ x[n,i,j,c]·w[u,v,o,c] + b[o] over all i, u, j, v, c that meet
    there, with x (N, H, W, C_in), w (kh, kw, C_out, C_in), b (C_out), y (N, H', W', C_out) and
    H' = (H − 1)·stride + kh − 2·pad. ``w`` is the kernel of the convolution from C_out to C_in channels whose adjoint
    this is, hence its axis order. Keeps x, or its tiles.

    >>> layer = ConvTranspose2d(8, 3, kernel=4, stride=2, pad=1)
    >>> _ = initialise(layer, np.random.default_rng(0))
    >>> layer(np.zeros((5, 16, 16, 8), np.float32))[0].shape
    (5, 32, 32, 3)
    """

    def __init__(self, c_in: int, c_out: int, kernel: Size, stride: Size = 1, pad: Size = 0, bias: bool = True):
        super().__init__((c_out, c_in), 2, kernel, stride, pad, bias)
        # With stride s an output pixel meets one in s² of the taps (notes A3).
        self.tap_share = 1.0 / math.prod(self.window.stride)

    def apply_weight(self, x: Array, w: Array, b: Array | None = None, frozen: Kernels | None = None) -> Bilinear:
        """Uᵀ(x·wᵀ) + b; backward: dx = U(dy)·w, dw = U(dy)ᵀ·x."""
        self.expect(x, "NHWC", w.shape[3])
        if min(self.window.image_size(x.shape[1:3])) < 1:
            self.refuse(x, "an image that leaves something inside the padding")
        return ops.correlate_transpose(x, w, self.window, b, frozen)
