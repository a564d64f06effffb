"""Networks, each read from top to bottom: ``dcgan.py`` and ``resnet.py``."""

from tinygan.layers import Layer
from tinygan.models import dcgan, resnet
from tinygan.models.pyramid import Size


def build_networks(
    size: Size, code_size: int, norm: str, features: int = 64, levels: int | None = None, residual: tuple | None = None
) -> tuple[Layer, Layer]:
    """G and D for images of ``size`` (H, W), without values yet: the DCGAN; with ``residual``, the ResNet.

    ``residual`` is G's (channels of each level, blocks of each level), from the image inwards, and D's.

    >>> list(build_networks((8, 8), code_size=16, norm="wn", features=8)[0].children)
    ['linear', 'reshape', 'linear_act', 'up0', 'sigmoid']
    """
    if residual:
        of_g, of_d = residual
        return resnet.generator(size, code_size, *of_g, norm), resnet.discriminator(size, *of_d, norm)
    G = dcgan.generator(size, code_size, features, norm, levels)
    return G, dcgan.discriminator(size, features, norm, levels)
