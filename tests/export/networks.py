"""Small networks of both models as if trained, with sizes at which padding, cropping and odd maps occur."""

import numpy as np

from tinygan.device import open_backend
from tinygan.layers import Layer, initialise
from tinygan.models import dcgan, resnet
from tinygan.rng import rng_for

SIZE, CODE = (18, 24), 5
BUILD = {
    "dcgan G": lambda norm: dcgan.generator(SIZE, CODE, 8, norm),
    "dcgan D": lambda norm: dcgan.discriminator(SIZE, 8, norm),
    "resnet G": lambda norm: resnet.generator(SIZE, CODE, (4, 8), (1, 2), norm),
    "resnet D": lambda norm: resnet.discriminator(SIZE, (4, 8), (2, 1), norm),
}


def network(which: str, norm: str, precision: str = "float32") -> tuple[Layer, np.ndarray]:
    """A network with no value where it started, running statistics included, and an input for it."""
    layer = BUILD[which](norm)
    parameters, _ = initialise(layer, rng_for(0, "export"), open_backend("cpu", precision))
    parameters.flat[:] += 0.1 * rng_for(1, "export").standard_normal(parameters.flat.shape)
    shape = (CODE,) if which.endswith("G") else (*SIZE, 3)
    x = rng_for(2, "export").standard_normal((6, *shape)).astype(parameters.flat.dtype)
    for _ in range(30):
        layer(x, training=True)
    return layer, x
