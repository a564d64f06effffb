"""The residual blocks of the paper's ResNet (notes A4): D's, which may halve the size, and G's, which may double it.

Each class draws itself; its code has the shape of the drawing, the left branch first. The sum is weight-normalised
under weight norm, with one pair of weights per channel, and begins as the shortcut alone: w₁ = 0, w₂ = 1.
"""

from tinygan.layers import AveragePool, BilinearLayer, Conv2d, ConvTranspose2d, Crop, NearestDouble, Pad, ScaleShift
from tinygan.layers.base import Layer
from tinygan.layers.sequential import Sequential
from tinygan.models.norms import activation, addition, batch_norm, weighted

Extra = tuple[int, int]  # padding beyond 1, (vertical, horizontal) pixels


class DownBlock(Sequential):
    """D's block, x (N, H, W, C_in) -> y (N, (H + 2·extra)/s, (W + 2·extra)/s, C_out).

    ::

                               x
                  ┌────────────┴─────────────┐
           conv0, kernel s+2,          pad by extra          only where there is any
           stride s, pad 1+extra       mean of 2×2           only with s = 2
           C_in -> C_out               conv 1×1              only if C_in ≠ C_out
                 act                   C_in -> C_out
           conv1 3×3, pad 1                  │
                  └───── w₁·( + )·w₂ ────────┘
                              act
                               y

    The ``stride`` s is 2, which halves the size, or 1. ``extra`` is padding beyond the usual 1, where half the size
    would be odd; with stride 2 only. The layers that read the image have no batch norm.
    """

    def __init__(
        self, c_in: int, c_out: int, norm: str, stride: int = 1, extra: Extra = (0, 0), reads_image: bool = False
    ):
        residual = {
            **_layer("conv0", Conv2d(c_in, c_out, stride + 2, stride, _pad(extra)), norm, not reads_image),
            "act": activation(c_out, norm),
            **_layer("conv1", Conv2d(c_out, c_out, 3, pad=1), norm),
        }
        shortcut: dict[str, Layer] = {}
        if any(extra):
            shortcut["pad"] = Pad(extra)
        if stride == 2:
            shortcut["mean"] = AveragePool()
        if c_in != c_out:
            shortcut |= _layer("conv", Conv2d(c_in, c_out, 1), norm, not reads_image)
        branches = addition(Sequential(residual), Sequential(shortcut), c_out, norm)
        super().__init__({"sum": branches, "act": activation(c_out, norm)})
        self.text = f"residual block {c_in} -> {c_out}" + (", ÷2" if stride == 2 else "")

    def __repr__(self) -> str:
        return self.text


class UpBlock(Sequential):
    """G's block, x (N, H, W, C_in) -> y (N, s·H − 2·extra, s·W − 2·extra, C_out); tconv is a transposed convolution.

    ::

                               x
                  ┌────────────┴─────────────┐
           tconv0 3×3, pad 1           tconv 1×1             only if C_in ≠ C_out
                 act                   C_in -> C_out
           tconv1, kernel s+2,         double                only with s = 2
           stride s, pad 1+extra       crop by extra         only where there is any
           C_in -> C_out                     │
                  └───── w₁·( + )·w₂ ────────┘
                              act
                               y

    The ``stride`` s is 2, which doubles the size, or 1; ``extra`` is that of the same level of D. The layers that write
    the image have no batch norm, and no activation: under strict weight norm there is a scale and shift per channel in
    its place; the other norms' layers have their own.
    """

    def __init__(
        self, c_in: int, c_out: int, norm: str, stride: int = 1, extra: Extra = (0, 0), writes_image: bool = False
    ):
        residual = {
            **_layer("tconv0", ConvTranspose2d(c_in, c_in, 3, pad=1), norm),
            "act": activation(c_in, norm),
            **_layer("tconv1", ConvTranspose2d(c_in, c_out, stride + 2, stride, _pad(extra)), norm, not writes_image),
        }
        shortcut: dict[str, Layer] = {}
        if c_in != c_out:
            shortcut |= _layer("tconv", ConvTranspose2d(c_in, c_out, 1), norm, not writes_image)
        if stride == 2:
            shortcut["double"] = NearestDouble()
        if any(extra):
            shortcut["crop"] = Crop(extra)
        block: dict[str, Layer] = {"sum": addition(Sequential(residual), Sequential(shortcut), c_out, norm)}
        if not writes_image:
            block["act"] = activation(c_out, norm)
        elif norm == "wn":
            block["scale_shift"] = ScaleShift(c_out)
        super().__init__(block)
        self.text = f"residual block {c_in} -> {c_out}" + (", ×2" if stride == 2 else "")

    def __repr__(self) -> str:
        return self.text


def _layer(name: str, layer: BilinearLayer, norm: str, has_batch_norm: bool = True) -> dict[str, Layer]:
    """``layer`` under ``norm``, and batch norm after it in ``bn``, by their names."""
    return {name: weighted(layer, norm)} | (batch_norm(name, layer.out_channels, norm) if has_batch_norm else {})


def _pad(extra: Extra) -> tuple[int, int]:
    return 1 + extra[0], 1 + extra[1]
