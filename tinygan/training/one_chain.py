"""Two shortcuts through D, for networks that treat every image of a batch by itself (all but those with batch norm).

Real and generated images go through D as one batch, if they are small: large ones fill the processor anyway, and take
less memory apart. And in the shared schedule one chain of input gradients serves D's loss and G's. The step without
shortcuts is in ``step.py``; both give the same gradients (tested).
"""

from collections.abc import Callable

from tinygan.array import Array, array_module
from tinygan.training.player import Player

SMALL = 2**19  # values in a batch of images that goes through D together with another: 32 of 64×64 pixels
SEED_FLOOR = 1e-20


def mixes_images(D: Player) -> bool:
    """Whether an image's output depends on the rest of its batch."""
    return any(layer.mixes_images for layer in D.network.walk())


def as_one_batch(D: Player, fake: Array) -> bool:
    """Whether generated images (N, H, W, 3) go through D together with the real ones."""
    return not mixes_images(D) and fake.size <= SMALL


def learn_both(D: Player, real: Array, fake: Array, loss: Callable) -> tuple[Array, Array]:
    """Add the gradients of D's two losses to its store, real and generated images in one batch; their values."""
    xp = array_module(fake)
    logits, backward = D.network(xp.concatenate([real, fake]), training=True)
    d_real, dlogits_real = loss(logits[: len(real)], 1)
    d_fake, dlogits_fake = loss(logits[len(real) :], 0)
    backward(xp.concatenate([dlogits_real, dlogits_fake]), D.gradients, need_dx=False)
    return d_real, d_fake


def learn_and_pass_on(
    D: Player, real: Array, fake: Array, loss: Callable, g_loss: Callable
) -> tuple[Array, Array, Array, Array]:
    """D's gradients into its store, and the gradient of G's loss with respect to ``fake``, from one backward pass.

    Where D treats each image by itself, image n's gradient is dL/dlₙ·(dlₙ/dxₙ): the losses of D and of G on it differ
    by one factor, (dL_G/dlₙ)/(dL_D/dlₙ), which is applied at the end instead of going through D once more.

    The divisor vanishes when D is very sure. So it is kept at SEED_FLOOR or above, which is reached at logits of −46:
    G's gradient stays exact, and D's changes by 10⁻²⁰ times that of a logit, far below what RMSProp's ε lets through.

    Returns:
        d_real, d_fake, g (0-d), and dfake (N, H, W, 3).
    """
    xp, N, one_batch = array_module(fake), len(fake), as_one_batch(D, fake)
    logits, backward = D.network(xp.concatenate([fake, real]) if one_batch else fake, training=True)
    g, g_dlogits = g_loss(logits[:N])
    d_fake, d_dlogits = loss(logits[:N], 0)  # its gradient is never negative
    seed = xp.maximum(d_dlogits, SEED_FLOOR)
    if one_batch:
        d_real, dlogits_real = loss(logits[N:], 1)
        dimages = backward(xp.concatenate([seed, dlogits_real]), D.gradients)
    else:
        dimages = backward(seed, D.gradients)
        del backward  # and with it what D kept of the generated images, before the real ones need the memory
        d_real = D.learn(real, 1, loss)
    return d_real, d_fake, g, dimages[:N] * (g_dlogits / seed)[:, None, None, None]
