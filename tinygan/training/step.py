"""One training iteration, in the two schedules of the paper's codes (notes A4).

Both return the three losses (D on real, D on generated, G), 0-d arrays on the device, measured before the updates
that they cause. Real and generated images go through D apart, so that batch norm never mixes their statistics, and
D's two gradients are added, not averaged.
"""

from collections.abc import Callable
from typing import NamedTuple

from tinygan.backend import Array
from tinygan.losses import ADVERSARIAL_LOSSES
from tinygan.training.player import Player


class Losses(NamedTuple):
    """Of one iteration: D's on real images, D's on generated images, G's."""

    d_real: Array
    d_fake: Array
    g: Array


class Game(NamedTuple):
    """The two players and the loss they play for, a name in ``ADVERSARIAL_LOSSES``."""

    generator: Player
    discriminator: Player
    loss: str = "bce"


def alternating_step(game: Game, real: Array, codes: Array, learning_rate: float) -> Losses:
    """D learns first; then G learns against the new D, on fresh noise (the DCGAN code).

    Args:
        real: images (N, H, W, 3) in [0, 1].
        codes: latent codes (2, N, Z): D's generated images come from the first, G's from the second.
    """
    G, D, loss = game.generator, game.discriminator, ADVERSARIAL_LOSSES[game.loss]

    # D's turn. Its loss ends at the images: G's backward pass is not even kept.
    fake, _ = G.network(codes[0], training=True)
    d_real = _learn_to_judge(D, real, 1, loss)
    d_fake = _learn_to_judge(D, fake, 0, loss)
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
    G, D, loss = game.generator, game.discriminator, ADVERSARIAL_LOSSES[game.loss]

    fake, g_backward = G.network(codes[0], training=True)
    logits, d_backward = D.network(fake, training=True)
    g, g_dlogits = loss(logits, 1)
    d_fake, d_dlogits = loss(logits, 0)

    g_backward(d_backward(g_dlogits), G.gradients, need_dx=False)
    d_backward(d_dlogits, D.gradients, need_dx=False)
    d_real = _learn_to_judge(D, real, 1, loss)

    # Only now: every gradient above belongs to the old parameters.
    G.update(learning_rate)
    D.update(learning_rate)
    return Losses(d_real, d_fake, g)


def _learn_to_judge(D: Player, images: Array, target: int, loss: Callable) -> Array:
    """Add the gradients of D's loss on ``images`` to its store; the images' own gradient is nobody's business."""
    logits, backward = D.network(images, training=True)
    value, dlogits = loss(logits, target)
    backward(dlogits, D.gradients, need_dx=False)
    return value


class Schedule(NamedTuple):
    """An update schedule and how many batches of codes one iteration of it uses."""

    step: Callable[[Game, Array, Array, float], Losses]
    code_batches: int


SCHEDULES = {"alternating": Schedule(alternating_step, 2), "shared": Schedule(shared_step, 1)}
