"""One training iteration, in the two schedules of the paper's codes (notes A4).

Both return the three losses (D on real, D on generated, G), 0-d arrays on the device, measured before the updates
that they cause. D's gradients on real and on generated images are added, not averaged.

With the passes in our own hands, two things are done once that a tape would do twice. Where no layer of D mixes the
images of a batch (all but batch norm), real and generated images go through it as one batch, if they are small: large
ones fill the processor anyway, and take less memory apart. And in the shared schedule one chain of input gradients
serves D's loss and G's (:func:`_learn_and_pass_on`).
"""

from collections.abc import Callable
from typing import NamedTuple

from tinygan.array import Array, array_module
from tinygan.losses import ADVERSARIAL_LOSSES
from tinygan.training.player import Player

SMALL = 2**19  # values in a batch of images that goes through D together with another: 32 of 64×64 pixels
SEED_FLOOR = 1e-20


class Losses(NamedTuple):
    """Of one iteration: D's on real images, D's on generated images, G's."""

    d_real: Array
    d_fake: Array
    g: Array


class Game(NamedTuple):
    """The two players and the loss they play for.

    Attributes:
        loss: a name in ``ADVERSARIAL_LOSSES``.
        share: of the batch that this process has, where several train together: then it sees its shard of real images
            and codes, and gets its part of the losses, which are means over the whole batch.
    """

    generator: Player
    discriminator: Player
    loss: str = "bce"
    share: float = 1.0

    def loss_function(self) -> Callable[[Array, int], tuple[Array, Array]]:
        """(logits of this process's images, target) -> (its part of the mean over the batch, gradient of that)."""
        function, share = ADVERSARIAL_LOSSES[self.loss], self.share
        if share == 1:
            return function
        return lambda logits, target: tuple(share * value for value in function(logits, target))


def alternating_step(game: Game, real: Array, codes: Array, learning_rate: float) -> Losses:
    """D learns first; then G learns against the new D, on fresh noise (the DCGAN code).

    Args:
        real: images (N, H, W, 3) in [0, 1].
        codes: latent codes (2, N, Z): D's generated images come from the first, G's from the second.
    """
    G, D, loss = game.generator, game.discriminator, game.loss_function()

    # D's turn. Its loss ends at the images: G's backward pass is not even kept.
    fake, _ = G.network(codes[0], training=True)
    d_real, d_fake = _learn_to_judge(D, real, fake, loss)
    D.update(learning_rate)

    # G's turn: "real" is what it wants to hear. D only passes the gradient on (grads=None).
    fake, g_backward = G.network(codes[1], training=True)
    logits, d_backward = D.network(fake, training=True)
    g, dlogits = loss(logits, 1)
    g_backward(d_backward(dlogits), G.gradients, need_dx=False)
    G.update(learning_rate)
    return Losses(d_real, d_fake, g)


def shared_step(game: Game, real: Array, codes: Array, learning_rate: float) -> Losses:
    """One generated batch and one judgement of it serve both; both learn at once (the ResNet code).

    Args:
        real: images (N, H, W, 3) in [0, 1].
        codes: latent codes (1, N, Z).
    """
    G, D, loss = game.generator, game.discriminator, game.loss_function()

    fake, g_backward = G.network(codes[0], training=True)
    learn = _learn_apart_and_pass_on if _mixes_images(D) else _learn_and_pass_on
    losses, dfake = learn(D, real, fake, loss)
    g_backward(dfake, G.gradients, need_dx=False)

    # Only now: every gradient above belongs to the old parameters.
    G.update(learning_rate)
    D.update(learning_rate)
    return losses


def _learn_to_judge(D: Player, real: Array, fake: Array, loss: Callable) -> tuple[Array, Array]:
    """Add the gradients of D's two losses to its store; the images' own gradient is nobody's business."""
    if _mixes_images(D) or fake.size > SMALL:
        return _learn_target(D, real, 1, loss), _learn_target(D, fake, 0, loss)
    xp = array_module(fake)
    logits, backward = D.network(xp.concatenate([real, fake]), training=True)
    d_real, dlogits_real = loss(logits[: len(real)], 1)
    d_fake, dlogits_fake = loss(logits[len(real) :], 0)
    backward(xp.concatenate([dlogits_real, dlogits_fake]), D.gradients, need_dx=False)
    return d_real, d_fake


def _learn_target(D: Player, images: Array, target: int, loss: Callable) -> Array:
    logits, backward = D.network(images, training=True)
    value, dlogits = loss(logits, target)
    backward(dlogits, D.gradients, need_dx=False)
    return value


def _learn_apart_and_pass_on(D: Player, real: Array, fake: Array, loss: Callable) -> tuple[Losses, Array]:
    """As :func:`_learn_and_pass_on` for a D with batch norm: real and generated images apart, two chains."""
    logits, backward = D.network(fake, training=True)
    g, g_dlogits = loss(logits, 1)
    d_fake, d_dlogits = loss(logits, 0)
    dfake = backward(g_dlogits)  # D only passes G's gradient on
    backward(d_dlogits, D.gradients, need_dx=False)
    del backward  # and with it what D kept of the generated images, before the real ones need the memory
    return Losses(_learn_target(D, real, 1, loss), d_fake, g), dfake


def _learn_and_pass_on(D: Player, real: Array, fake: Array, loss: Callable) -> tuple[Losses, Array]:
    """D's gradients into its store, and the gradient of G's loss with respect to ``fake``, from one backward pass.

    Where D treats each image by itself, image n's gradient is dL/dlₙ·(dlₙ/dxₙ): the losses of D and of G on it differ
    by one factor, (dL_G/dlₙ)/(dL_D/dlₙ), which is applied at the end instead of going through D once more.

    The divisor vanishes when D is very sure. So it is kept at SEED_FLOOR or above, which is reached at logits of −46:
    G's gradient stays exact, and D's changes by 10⁻²⁰ times that of a logit, far below what RMSProp's ε lets through.
    """
    xp, N, one_batch = array_module(fake), len(fake), fake.size <= SMALL
    logits, backward = D.network(xp.concatenate([fake, real]) if one_batch else fake, training=True)
    g, g_dlogits = loss(logits[:N], 1)
    d_fake, d_dlogits = loss(logits[:N], 0)  # its gradient is never negative
    seed = xp.maximum(d_dlogits, SEED_FLOOR)
    if one_batch:
        d_real, dlogits_real = loss(logits[N:], 1)
        dimages = backward(xp.concatenate([seed, dlogits_real]), D.gradients)
    else:
        dimages = backward(seed, D.gradients)
        del backward  # and with it what D kept of the generated images, before the real ones need the memory
        d_real = _learn_target(D, real, 1, loss)
    return Losses(d_real, d_fake, g), dimages[:N] * (g_dlogits / seed)[:, None, None, None]


def _mixes_images(player: Player) -> bool:
    """Whether an image's output depends on the rest of its batch."""
    return any(layer.mixes_images for layer in player.network.walk())


class Schedule(NamedTuple):
    """An update schedule and how many batches of codes one iteration of it uses."""

    step: Callable[[Game, Array, Array, float], Losses]
    code_batches: int


SCHEDULES = {"alternating": Schedule(alternating_step, 2), "shared": Schedule(shared_step, 1)}
