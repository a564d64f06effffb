"""The paper's DCGAN for any even width and height (notes A2): read from top to bottom.

Every level of D halves the image and doubles the channels, every level of G does the reverse:

    G:  code -> linear -> (h, w, f·2^(n−1)) -> ... ×2 ... -> (H, W, 3) in [0, 1]
    D:  (H, W, 3) -> ... ÷2 ... -> (h, w, f·2^(n−1)) -> one kernel over the whole map -> logit

What ``norm`` decides, layer by layer, is in ``norms.py``. G's output and D's last layer have no batch norm, and an
affine weight norm under ``wn``; D's first layer has no batch norm either.
"""

from tinygan.layers import Conv2d, ConvTranspose2d, Layer, Linear, Reshape, Sequential, Sigmoid
from tinygan.models.norms import activation, batch_norm, first_layer_factor, weighted
from tinygan.models.pyramid import Size, pyramid


def generator(size: Size, code_size: int, features: int, norm: str, levels: int | None = None) -> Sequential:
    """G: codes (N, code_size), standard normal -> images (N, H, W, 3) in [0, 1].

    ``size`` is (H, W), both even, the longer at least 8; ``features`` the channels f of the outermost level, the
    innermost has f·2^(levels−1); ``norm`` one of ``NORMS``; ``levels`` how many times the size is doubled, None takes
    :func:`default_levels`. Raises UsageError for what cannot be built.
    """
    sides, pads = pyramid(size, levels)
    channels = [features * 2**level for level in range(len(pads))]
    layers: dict[str, Layer] = {}

    (h, w), deepest = sides[-1], channels[-1]
    layers["linear"] = weighted(Linear(code_size, h * w * deepest, init_factor=first_layer_factor(norm)), norm)
    layers["reshape"] = Reshape((h, w, deepest))
    layers |= batch_norm("linear", deepest, norm)
    layers["linear_act"] = activation(deepest, norm)

    for level in reversed(range(1, len(pads))):
        name = f"up{level}"
        up = ConvTranspose2d(channels[level], channels[level - 1], kernel=4, stride=2, pad=pads[level])
        layers[name] = weighted(up, norm)
        layers |= batch_norm(name, channels[level - 1], norm)
        layers[f"{name}_act"] = activation(channels[level - 1], norm)

    layers["up0"] = weighted(ConvTranspose2d(channels[0], 3, kernel=4, stride=2, pad=pads[0]), norm, affine=True)
    layers["sigmoid"] = Sigmoid()
    return Sequential(layers)


def discriminator(size: Size, features: int, norm: str, levels: int | None = None) -> Sequential:
    """D: images (N, H, W, 3) in [0, 1] -> logits (N,), positive for "real". Arguments as in :func:`generator`."""
    sides, pads = pyramid(size, levels)
    layers: dict[str, Layer] = {}

    channels = 3
    for level, pad in enumerate(pads):
        name, out = f"down{level}", features * 2**level
        layers[name] = weighted(Conv2d(channels, out, kernel=4, stride=2, pad=pad), norm)
        if level > 0:
            layers |= batch_norm(name, out, norm)
        layers[f"{name}_act"] = activation(out, norm)
        channels = out

    layers["last"] = weighted(Conv2d(channels, 1, kernel=sides[-1]), norm, affine=True)
    layers["logit"] = Reshape(())
    return Sequential(layers)
