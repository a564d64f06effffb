"""Two shortcuts through D. The step without them is in ``step.py``; both give the same gradients (tested).

Small batches of real and generated images go through D as one; large ones fill the CPU anyway, and take less memory
apart. Only batch norm still tells the two apart. And where D treats every image of a batch by itself (without batch
norm), in the shared schedule one chain of input gradients serves D's loss and G's.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygan import ops
from tinygan.array import Array, array_module
from tinygan.errors import InputError
from tinygan.layers.base import Backward, described
from tinygan.layers.batchnorm import here
from tinygan.layers.weightnorm import with_inner
from tinygan.ops.reference import ceil_div
from tinygan.runtime import collectives
from tinygan.training.player import Player

# Values in a batch of images that goes through D together with another.
SMALL = 2**17  # on the CPU: 42 of 32×32 pixels. Larger ones take a fifth more memory together.
SMALL_ON_GPU = 2**22  # more operations cost more there than memory: 54 of 160×160 pixels
UPSTREAM_FLOOR = 1e-20

_decided: bool | None = None  # see as_if


def mixes_images(D: Player) -> bool:
    """Whether an image's output depends on the rest of its batch."""
    return any(layer.mixes_images for layer in D.network.walk())


def as_one_batch(game: Any, real: Array, fake: Array) -> bool:
    """Whether real and generated images (N, H, W, 3) go through the game's D together.

    All processes decide alike, by the largest of their shards: in batch norm they wait for each other.
    """
    D, largest = game.discriminator, ceil_div(round(len(fake) / game.share), collectives.size())
    device = "cpu" if isinstance(fake, np.ndarray) else "gpu"
    small = fits(largest * math.prod(fake.shape[1:]), device) if _decided is None else _decided
    return small and (not mixes_images(D) or (all_known(D) and len(real) == len(fake)))


def all_known(player: Player) -> bool:
    """Whether all layers are tinygan's; what a user's own ones do is not known here."""
    return all(type(layer).__module__.startswith("tinygan.") for layer in with_inner(player.network))


def fits(values: int, device: str) -> bool:
    """Whether a batch of this many values is small."""
    return values <= (SMALL if device == "cpu" else SMALL_ON_GPU)


@contextmanager
def as_if(small: bool) -> Iterator[None]:
    """Within it every batch is ``small``, or none is: to measure with a part of a batch what the whole would need."""
    global _decided
    _decided = small
    try:
        yield
    finally:
        _decided = None


def learn_both(D: Player, real: Array, fake: Array, loss: Callable) -> tuple[Array, Array]:
    """Add the gradients of D's two losses to its store, real and generated images in one batch; their values."""
    xp = array_module(fake)
    logits, backward = _judge(D, real, fake)
    d_real, dlogits_real = loss(logits[: len(real)], 1)
    d_fake, dlogits_fake = loss(logits[len(real) :], 0)
    backward(xp.concatenate([dlogits_real, dlogits_fake]), D.gradients, need_dx=False)
    return d_real, d_fake


def learn_and_pass_on(D: Player, real: Array, fake: Array, game: Any) -> tuple[Array, Array, Array, Array]:
    """D's gradients into its store, and the gradient of G's loss with respect to ``fake``, from one backward pass.

    Where D treats each image by itself, image n's gradient is dL/dlₙ·(dlₙ/dxₙ): the losses of D and of G on it differ
    by one factor, (dL_G/dlₙ)/(dL_D/dlₙ), which is applied at the end instead of going through D once more.

    The divisor, dL_D/dlₙ, vanishes when D is very sure. So it is kept at UPSTREAM_FLOOR or above, which is reached at
    logits of −46 (least squares: −23 and 46). G's gradient stays exact, and D's changes by 10⁻²⁰ times that of a logit,
    far below RMSProp's ε.

    ``game`` is the :class:`~tinygan.training.step.Game` of D. Returns d_real, d_fake, g (0-d), dfake like ``fake``.
    """
    xp = array_module(fake)
    if as_one_batch(game, real, fake) and len(real) == len(fake):
        logits, backward = _judge(D, fake, real)
        if logits.ndim != 1:
            raise InputError(f"expected logits (N,) from D; found {described(logits)}: end it in Reshape(())")
        (d_real, d_fake, g), upstream, ratio = ops.chain_losses(logits, game.loss, game.share, UPSTREAM_FLOOR)
        dfake = backward(upstream, D.gradients)[: len(fake)]
    else:
        loss, g_loss = game.loss_functions()
        logits, backward = D.network(fake, training=True)
        g, g_dlogits = g_loss(logits)
        d_fake, d_dlogits = loss(logits, 0)  # its gradient is never negative
        upstream = xp.maximum(d_dlogits, UPSTREAM_FLOOR)
        ratio, dfake = g_dlogits / upstream, backward(upstream, D.gradients)
        del backward  # with what D kept of the generated images, before the real ones need the memory
        d_real = D.learn(real, 1, loss)
    return d_real, d_fake, g, dfake * ratio.reshape(-1, *[1] * (dfake.ndim - 1))


def _judge(D: Player, one: Array, other: Array) -> tuple[Array, Backward]:
    """Logits (2·N,) of real and generated images as one batch, and its backward; InputError unless they are alike."""
    arrays = hasattr(one, "dtype") and hasattr(other, "dtype")
    if not arrays or one.dtype != other.dtype or one.shape[1:] != other.shape[1:]:
        found = f"{described(one)} and {described(other)}"
        raise InputError(f"real and generated images differ, {found}: give real ones as G draws them, in [0, 1]")
    here.two_batches = True
    try:
        return D.network(array_module(one).concatenate([one, other]), training=True)
    finally:
        here.two_batches = False
