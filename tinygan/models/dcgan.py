"""The paper's DCGAN for any even width and height (notes A2): read from top to bottom.

Every level of D halves the image and doubles the channels, every level of G does the reverse:

    G:  code -> linear -> (h, w, f·2^(n−1)) -> ... ×2 ... -> (H, W, 3) in [0, 1]
    D:  (H, W, 3) -> ... ÷2 ... -> (h, w, f·2^(n−1)) -> one kernel over the whole map -> logit

What ``norm`` decides, layer by layer:

    none       bias                                   PReLU
    bn         bias, batch norm                       PReLU    no batch norm: G's output, D's first and last
    wn         strict weight norm (no bias, scale)    TPReLU   affine weight norm: G's output, D's last
    wn-affine  affine weight norm everywhere          PReLU
"""

from tinygan.errors import UsageError
from tinygan.layers import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Layer,
    Linear,
    PReLU,
    Reshape,
    Sequential,
    Sigmoid,
    TPReLU,
    WeightNorm,
)
from tinygan.layers.linear import Weighted

NORMS = ("none", "bn", "wn", "wn-affine")
SMALLEST_SIDE = 8
FIRST_LAYER_FACTOR = 0.01  # initial bound of G's first layer under weight norm, relative to the others (notes A3)

Size = tuple[int, int]  # (height, width) in pixels


def generator(size: Size, code_size: int, features: int, norm: str, levels: int | None = None) -> Sequential:
    """G: codes (N, code_size), standard normal -> images (N, H, W, 3) in [0, 1].

    Args:
        size: (H, W), both even, the longer at least 8.
        features: channels f of the outermost level; the innermost has f·2^(levels−1).
        norm: one of ``NORMS``.
        levels: how many times the size is doubled; None takes :func:`default_levels`.

    Raises:
        UsageError: a size, a number of levels or a norm that cannot be built.
    """
    sides, pads = pyramid(size, levels)
    channels = [features * 2**level for level in range(len(pads))]
    layers: dict[str, Layer] = {}

    (h, w), deepest = sides[-1], channels[-1]
    first_factor = FIRST_LAYER_FACTOR if norm in ("wn", "wn-affine") else 1.0
    layers["linear"] = _weighted(Linear(code_size, h * w * deepest, init_factor=first_factor), norm)
    layers["reshape"] = Reshape((h, w, deepest))
    layers |= _normalisation_and_activation("linear", deepest, norm)

    for level in reversed(range(1, len(pads))):
        name = f"up{level}"
        up = ConvTranspose2d(channels[level], channels[level - 1], kernel=4, stride=2, pad=pads[level])
        layers[name] = _weighted(up, norm)
        layers |= _normalisation_and_activation(name, channels[level - 1], norm)

    layers["up0"] = _weighted(ConvTranspose2d(channels[0], 3, kernel=4, stride=2, pad=pads[0]), norm, last=True)
    layers["sigmoid"] = Sigmoid()
    return Sequential(layers)


def discriminator(size: Size, features: int, norm: str, levels: int | None = None) -> Sequential:
    """D: images (N, H, W, 3) in [0, 1] -> logits (N,), positive for "real". Arguments as in :func:`generator`."""
    sides, pads = pyramid(size, levels)
    layers: dict[str, Layer] = {}

    channels = 3
    for level, pad in enumerate(pads):
        name, out = f"down{level}", features * 2**level
        layers[name] = _weighted(Conv2d(channels, out, kernel=4, stride=2, pad=pad), norm)
        layers |= _normalisation_and_activation(name, out, norm, batch_norm=level > 0)
        channels = out

    layers["last"] = _weighted(Conv2d(channels, 1, kernel=sides[-1]), norm, last=True)
    layers["logit"] = Reshape(())
    return Sequential(layers)


def default_levels(size: Size) -> int:
    """Halve the longer side, rounding up, while it is at least 8: 32 -> 3, 64 -> 4, 128 and 160 -> 5."""
    side, levels = max(size), 0
    while side >= SMALLEST_SIDE:
        side, levels = (side + 1) // 2, levels + 1
    return levels


def pyramid(size: Size, levels: int | None = None) -> tuple[list[Size], list[Size]]:
    """The sizes (H, W) of all levels from the image inwards, and the convolutions' padding between them.

    A 4×4 kernel with stride 2 and padding 1 halves an even side. Where half of the side would be odd (side mod 4 is
    2) and another level follows, the padding is one larger, each axis on its own: 178, 90, 46, 24, 12, 6.

    Returns:
        levels + 1 sizes and levels paddings.

    Raises:
        UsageError: odd or too small sides, or more levels than the longer side has room for.
    """
    for side in size:
        if side % 2 or side < 2:
            nearest = max(2, side + side % 2)
            raise UsageError(f"image size {size[1]}x{size[0]}: width and height must be even; try {nearest}")
    if max(size) < SMALLEST_SIDE:
        raise UsageError(
            f"image size {size[1]}x{size[0]} is too small: the longer side must be at least {SMALLEST_SIDE}"
        )
    levels = default_levels(size) if levels is None else levels
    if levels < 1:
        raise UsageError(f"levels is {levels}: it must be at least 1")
    sides, pads = [tuple(size)], []
    for level in range(levels):
        extra = [int(side % 4 == 2 and level < levels - 1) for side in sides[-1]]
        pads.append(tuple(1 + e for e in extra))
        sides.append(tuple((side + 2 * e) // 2 for side, e in zip(sides[-1], extra, strict=True)))
        if max(sides[-1]) == max(sides[-2]):
            raise UsageError(f"{levels} levels are too many for images of {size[1]}x{size[0]}: at most {level + 1}")
    return sides, pads


def _weighted(layer: Weighted, norm: str, last: bool = False) -> Layer:
    """``layer`` as it is, or under weight norm; in ``wn`` only the last layer of a network is affine."""
    if norm not in NORMS:
        raise UsageError(f"unknown norm {norm!r}: choose one of {', '.join(NORMS)}")
    if norm in ("none", "bn"):
        return layer
    return WeightNorm(layer, affine=last or norm == "wn-affine")


def _normalisation_and_activation(name: str, channels: int, norm: str, batch_norm: bool = True) -> dict[str, Layer]:
    """What follows the weighted layer ``name``: batch norm under ``bn``, then the activation."""
    layers: dict[str, Layer] = {}
    if norm == "bn" and batch_norm:
        layers[f"{name}_norm"] = BatchNorm(channels)
    layers[f"{name}_act"] = TPReLU(channels) if norm == "wn" else PReLU(channels)
    return layers
