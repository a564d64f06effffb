"""The paper's residual networks for any even width and height (notes A4): read from top to bottom.

Every level of D halves the image with its first block, every level of G doubles it with its last one:

    G:  code -> linear -> (h, w, f_(n−1)) -> ... blocks, ×2 ... -> (H, W, 3) in [0, 1]
    D:  (H, W, 3), taken to [−1, 1] -> ... ÷2, blocks ... -> (h, w, f_(n−1)) -> one kernel over the whole map -> logit

The blocks are drawn in ``blocks.py``; what ``norm`` decides is in ``norms.py``. Under ``wn`` G's linear layer and D's
last are affine, everything in the blocks is strict.
"""

from collections.abc import Sequence

from tinygan.errors import UsageError
from tinygan.layers import Conv2d, Layer, Linear, PReLU, Rescale, Reshape, Sequential, Sigmoid
from tinygan.models.blocks import DownBlock, UpBlock
from tinygan.models.norms import batch_norm, first_layer_factor, weighted
from tinygan.models.pyramid import Size, pyramid


def generator(size: Size, code_size: int, features: Sequence[int], blocks: Sequence[int], norm: str) -> Sequential:
    """G: codes (N, code_size), standard normal -> images (N, H, W, 3) in [0, 1].

    ``size`` is (H, W), both even, the longer at least 8; ``features`` and ``blocks`` are the channels and the residual
    blocks of each level, from the image inwards; ``norm`` is one of ``NORMS``. Raises UsageError for anything else.
    """
    sides, extras = _levels(size, features, blocks)
    layers: dict[str, Layer] = {}

    (h, w), deepest = sides[-1], features[-1]
    linear = Linear(code_size, h * w * deepest, init_factor=first_layer_factor(norm))
    layers["linear"] = weighted(linear, norm, affine=True)
    layers["reshape"] = Reshape((h, w, deepest))
    layers |= batch_norm("linear", deepest, norm)
    layers["linear_act"] = PReLU(deepest)  # an affine layer has its own shift

    for level in reversed(range(len(features))):
        channels = features[level]
        for block in range(blocks[level] - 1):
            layers[f"up{level}_block{block}"] = UpBlock(channels, channels, norm)
        out = features[level - 1] if level else 3
        up = UpBlock(channels, out, norm, stride=2, extra=extras[level], writes_image=level == 0)
        layers[f"up{level}_block{blocks[level] - 1}"] = up

    layers["sigmoid"] = Sigmoid()
    return Sequential(layers)


def discriminator(size: Size, features: Sequence[int], blocks: Sequence[int], norm: str) -> Sequential:
    """D: images (N, H, W, 3) in [0, 1] -> logits (N,), positive for "real". Arguments as in :func:`generator`."""
    sides, extras = _levels(size, features, blocks)
    layers: dict[str, Layer] = {"signed": Rescale(2.0, -1.0)}

    channels = 3
    for level, out in enumerate(features):
        down = DownBlock(channels, out, norm, stride=2, extra=extras[level], reads_image=level == 0)
        layers[f"down{level}_block0"] = down
        for block in range(1, blocks[level]):
            layers[f"down{level}_block{block}"] = DownBlock(out, out, norm)
        channels = out

    layers["last"] = weighted(Conv2d(channels, 1, kernel=sides[-1]), norm, affine=True)
    layers["logit"] = Reshape(())
    return Sequential(layers)


def _levels(size: Size, features: Sequence[int], blocks: Sequence[int]) -> tuple[list[Size], list[Size]]:
    """The sizes of all levels from the image inwards, and the padding beyond 1 between them."""
    if len(features) != len(blocks):
        raise UsageError(f"{len(features)} channel counts and {len(blocks)} block counts: give one of each per level")
    if any(number < 1 for number in (*features, *blocks)):
        raise UsageError("channels and blocks per level must be at least 1")
    sides, pads = pyramid(size, len(features))
    return sides, [(vertical - 1, horizontal - 1) for vertical, horizontal in pads]
