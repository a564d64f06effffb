"""Small networks of both models as if trained, with sizes at which padding, cropping and odd maps occur."""

import numpy as np

from tinygan.device import open_backend
from tinygan.export.folded import Shapes
from tinygan.layers import (
    BatchNorm,
    Conv2d,
    ConvTranspose2d,
    Layer,
    Linear,
    PReLU,
    Rescale,
    Reshape,
    Sequential,
    Tanh,
    WeightNorm,
    initialise,
)
from tinygan.models import dcgan, resnet
from tinygan.rng import rng_for

SIZE, CODE = (18, 24), 5
BUILD = {
    "dcgan G": lambda norm: dcgan.generator(SIZE, CODE, 8, norm),
    "dcgan D": lambda norm: dcgan.discriminator(SIZE, 8, norm),
    "resnet G": lambda norm: resnet.generator(SIZE, CODE, (4, 8), (1, 2), norm),
    "resnet D": lambda norm: resnet.discriminator(SIZE, (4, 8), (2, 1), norm),
}
# Networks of one's own: images to vectors and back at places where tinygan's have none.
FLAT = {
    "flat D": lambda norm: Sequential([Conv2d(3, 4, 4, 2, 1), PReLU(4), Reshape((-1,)), Linear(432, 1), Reshape(())]),
    "vector D": lambda norm: Sequential(
        [
            *(Rescale(2.0, -1.0), Conv2d(3, 4, 4, 2, 1), Reshape((-1,)), BatchNorm(432), WeightNorm(Linear(432, 6))),
            *(PReLU(6), Linear(6, 1), Reshape(()), Rescale(3.0, 0.5)),
        ]
    ),
    "vector G": lambda norm: Sequential([Linear(CODE, 7), PReLU(7), Linear(7, 1296), Tanh(), Reshape((*SIZE, 3))]),
    "back and forth G": lambda norm: Sequential(
        [
            *(Reshape((1, 1, CODE)), ConvTranspose2d(CODE, 6, (9, 12)), Reshape((-1, 6)), PReLU(6), Reshape((-1,))),
            *(BatchNorm(648), Reshape((9, 12, 6)), BatchNorm(6), ConvTranspose2d(6, 3, 4, 2, 1)),
        ]
    ),
}


def shapes(which: str) -> Shapes:
    """What goes in and comes out."""
    return Shapes((CODE,), (*SIZE, 3)) if which.endswith("G") else Shapes((*SIZE, 3), ())


def network(which: str, norm: str, precision: str = "float32") -> tuple[Layer, np.ndarray]:
    """A network with no value where it started, running statistics included, and an input for it."""
    layer = (BUILD | FLAT)[which](norm)
    parameters, _ = initialise(layer, rng_for(0, "export"), open_backend("cpu", precision))
    parameters.flat[:] += 0.1 * rng_for(1, "export").standard_normal(parameters.flat.shape)
    x = rng_for(2, "export").standard_normal((6, *shapes(which).x)).astype(parameters.flat.dtype)
    for _ in range(30):
        layer(x, training=True)
    return layer, x
