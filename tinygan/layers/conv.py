"""Convolution and transposed convolution, each a matrix product on patches.

Both are written with one matrix U, the patches of the larger image as rows. Convolution multiplies it, y = U(x)·w;
transposed convolution is the adjoint of that map with the same kernel array, y = Uᵀ(x·wᵀ). So the forward pass of one
is the input gradient of the other, and both are the same three products of :class:`PatchCorrelation`.
"""

from tinygan.array import Array, on_gpu
from tinygan.layers.linear import BilinearBackward, BilinearLayer, InputGradient
from tinygan.ops.cpu.correlate import correlation_on_cores
from tinygan.ops.cuda.correlate import CorrelationOnGpu
from tinygan.ops.patches import PatchCorrelation, Window
from tinygan.runtime.threads import batched_tasks

Size = int | tuple[int, int]


class Conv2d(BilinearLayer):
    """Cross-correlation with a kernel, as every deep-learning library calls convolution.

    y[n,i,j,o] = Σ x[n, i·stride + u − pad, j·stride + v − pad, c]·w[u,v,c,o] + b[o] over u, v, c, with
    x (N, H, W, C_in), w (kh, kw, C_in, C_out), b (C_out), y (N, H', W', C_out), x = 0 outside the image and
    H' = floor((H + 2·pad − kh)/stride) + 1.

    ``kernel``, ``stride`` and ``pad`` are pixels, one number or (vertical, horizontal).
    """

    def __init__(self, c_in: int, c_out: int, kernel: Size, stride: Size = 1, pad: Size = 0, bias: bool = True):
        self.window = Window(_pair(kernel), _pair(stride), _pair(pad))
        kh, kw = self.window.kernel
        super().__init__((kh, kw, c_in, c_out), output_axis=3, fan_in=c_in * kh * kw, bias=bias, init_factor=1.0)

    def apply_weight(self, x: Array, w: Array, b: Array | None = None) -> tuple[Array, BilinearBackward]:
        """U(x)·w + b; backward: dx = Uᵀ(dy·wᵀ), dw = U(x)ᵀ·dy. Kept for it: the patches U(x)."""
        form = _correlation(self.window, x.shape, self.out_channels, x)
        with batched_tasks():
            patches, kernel = form.image(x), form.kernel(w)
        y = form.to_map(patches, kernel, b)

        def backward(dy: Array, need_dx: bool, need_dw: bool) -> tuple[Array | None, Array | None]:
            rows = form.map(dy)
            with batched_tasks():
                dx = form.to_image(rows, kernel) if need_dx else None
                dw = form.to_kernel(patches, rows) if need_dw else None
            return dx, dw

        return y, backward

    def apply_frozen_weight(
        self, x: Array, w: Array, b: Array | None, kernels: dict[int, Array]
    ) -> tuple[Array, InputGradient]:
        form = _correlation(self.window, x.shape, self.out_channels, x)
        kernel = _kernel(form, w, kernels)
        return form.image_to_map(x, kernel, b), lambda dy: form.map_to_image(dy, kernel)

    def __repr__(self) -> str:
        return f"Conv2d {_window_text(self.window)}"


class ConvTranspose2d(BilinearLayer):
    """The adjoint of a convolution: every input pixel paints its kernel, scaled, into the output.

    y[n, i·stride + u − pad, j·stride + v − pad, o] = Σ x[n,i,j,c]·w[u,v,o,c] + b[o] over all i, u, j, v, c that meet
    there, with x (N, H, W, C_in), w (kh, kw, C_out, C_in), b (C_out), y (N, H', W', C_out) and
    H' = (H − 1)·stride + kh − 2·pad. ``w`` is the kernel of the convolution from C_out to C_in channels that this is
    the adjoint of, hence its axis order.
    """

    def __init__(self, c_in: int, c_out: int, kernel: Size, stride: Size = 1, pad: Size = 0, bias: bool = True):
        self.window = Window(_pair(kernel), _pair(stride), _pair(pad))
        kh, kw = self.window.kernel
        super().__init__((kh, kw, c_out, c_in), output_axis=2, fan_in=c_in * kh * kw, bias=bias, init_factor=1.0)
        # With stride s an output pixel meets one in s² of the taps (notes A3).
        self.tap_share = 1.0 / (self.window.stride[0] * self.window.stride[1])

    def apply_weight(self, x: Array, w: Array, b: Array | None = None) -> tuple[Array, BilinearBackward]:
        """Uᵀ(x·wᵀ) + b; backward: dx = U(dy)·w, dw = U(dy)ᵀ·x."""
        form = self._form(x)
        with batched_tasks():
            rows, kernel = form.map(x), form.kernel(w)
        y = form.to_image(rows, kernel, b)

        def backward(dy: Array, need_dx: bool, need_dw: bool) -> tuple[Array | None, Array | None]:
            patches = form.image(dy)
            with batched_tasks():
                dx = form.to_map(patches, kernel) if need_dx else None
                dw = form.to_kernel(patches, rows) if need_dw else None
            return dx, dw

        return y, backward

    def apply_frozen_weight(
        self, x: Array, w: Array, b: Array | None, kernels: dict[int, Array]
    ) -> tuple[Array, InputGradient]:
        form = self._form(x)
        kernel = _kernel(form, w, kernels)
        return form.map_to_image(x, kernel, b), lambda dy: form.image_to_map(dy, kernel)

    def _form(self, x: Array) -> PatchCorrelation:
        N, H, W, c_in = x.shape
        return _correlation(self.window, (N, *self.window.image_size((H, W)), self.out_channels), c_in, x)

    def __repr__(self) -> str:
        return f"ConvTranspose2d {_window_text(self.window)}"


def _correlation(window: Window, image_shape: tuple[int, ...], out: int, like: Array) -> PatchCorrelation:
    """The form of the correlation for the device of ``like``."""
    form = CorrelationOnGpu if on_gpu(like) else correlation_on_cores
    return form(window, image_shape, out)


def _kernel(form: PatchCorrelation, w: Array, kernels: dict[int, Array]) -> Array:
    """The form that ``w`` takes, remembered."""
    if form.points not in kernels:
        kernels[form.points] = form.kernel(w)
    return kernels[form.points]


def _pair(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def _window_text(window: Window) -> str:
    kernel, stride, pad = (f"{a}×{b}" if a != b else str(a) for a, b in window)
    return f"kernel {kernel}, stride {stride}, pad {pad}"
