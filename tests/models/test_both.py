"""What both models promise: any size forward and backward, and an image that does not depend on the others."""

import numpy as np
import pytest

from tests.layers.cases import prepare, upstream
from tinygan.models import dcgan, resnet
from tinygan.models.norms import NORMS
from tinygan.rng import rng_for

every_norm = pytest.mark.parametrize("norm", NORMS)
# Height and width, then a DCGAN's levels, or a residual network's channels and blocks.
DCGANS = [(8, 8, None), (36, 36, None), (34, 50, None), (218, 178, None), (16, 40, 1), (12, 18, 3)]
RESNETS = [
    (36, 36, [2, 3, 4], [1, 2, 1]),
    (218, 178, [2, 2, 3, 3, 4], [1, 1, 1, 1, 1]),
    (34, 50, [2, 3, 3], [2, 1, 1]),
    (8, 8, [3], [3]),
    (12, 18, [2, 4, 3], [1, 1, 2]),
]


def networks(norm, H, W, *kind, code_size=3, features=2):
    """G and D."""
    if len(kind) == 1:
        G = dcgan.generator((H, W), code_size, features, norm, *kind)
        return G, dcgan.discriminator((H, W), features, norm, *kind)
    return resnet.generator((H, W), code_size, *kind, norm), resnet.discriminator((H, W), *kind, norm)


@every_norm
@pytest.mark.parametrize("of", [*DCGANS, *RESNETS], ids=str)
def test_sizes_forward_and_backward(norm, of):
    (H, W, *_), (G, D) = of, networks(norm, *of)
    G_grads, D_grads = prepare(G, "float32").zeros_like(), prepare(D, "float32").zeros_like()
    codes = rng_for(0, "codes").standard_normal((2, 3)).astype(np.float32)
    images, G_backward = G(codes, training=True)
    assert images.shape == (2, H, W, 3)
    assert images.min() >= 0
    assert images.max() <= 1
    logits, D_backward = D(images, training=True)
    assert logits.shape == (2,)
    dimages = D_backward(upstream(logits), D_grads)
    assert dimages.shape == images.shape
    assert G_backward(dimages, G_grads).shape == codes.shape
    for name, gradient in {**G_grads, **D_grads}.items():
        assert np.isfinite(gradient).all(), name


@every_norm
@pytest.mark.parametrize("of", [(12, 18, None), (12, 18, [3, 4], [1, 2])], ids=["dcgan", "resnet"])
def test_evaluation_does_not_depend_on_the_batch(norm, of):
    G, D = networks(norm, *of, code_size=5, features=4)
    prepare(G)
    prepare(D)
    codes = rng_for(0, "codes").standard_normal((4, 5))
    D(G(codes, training=True)[0], training=True)  # gives batch norm something to remember
    images = G(codes)[0]
    logits = D(images)[0]
    for i in range(4):
        # One row or four: a matrix product may add in another order, a few roundings of 1e-16.
        np.testing.assert_allclose(G(codes[i : i + 1])[0], images[i : i + 1], rtol=0, atol=1e-13)
        np.testing.assert_allclose(D(images[i : i + 1])[0], logits[i : i + 1], rtol=1e-12)
