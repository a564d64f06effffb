"""One training iteration, in the two schedules of the paper's codes (notes A4).

Both return the three losses (D on real, D on generated, G), 0-d arrays on the device, measured before the updates
that they cause. D's gradients on real and on generated images are added, not averaged. The shortcuts of
``one_chain.py`` are taken where they can be; the code beside them is the plain step.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from tinygan.array import Array
from tinygan.errors import Choices, InputError
from tinygan.layers.base import Backward, described
from tinygan.losses import ADVERSARIAL_LOSSES
from tinygan.training import one_chain
from tinygan.training.player import Player


class Losses(NamedTuple):
    """Of one iteration: D's on real images, D's on generated images, G's; in nats for cross-entropy."""

    d_real: Array
    d_fake: Array
    g: Array


class Game(NamedTuple):
    """The two players and the loss they play for: a name in ``ADVERSARIAL_LOSSES``, or a pair, D's function of (logits,
    target) and G's of (logits); see docs/own-layer.md.

    Where several processes train together, each has its ``share`` of the batch: its shard of real images and codes, and
    so its part of the losses, which are means over the whole batch.
    """

    generator: Player
    discriminator: Player
    loss: str | tuple[Callable, Callable] = "bce"
    share: float = 1.0

    def loss_functions(self) -> tuple[Callable, Callable]:
        """D's and G's: of this process's logits, its part of the mean over the batch, and the gradient of that."""
        one = ADVERSARIAL_LOSSES[self.loss] if isinstance(self.loss, str) else None
        D, G = (one, partial(one, target=1)) if one else self.loss  # non-saturating: G's target is "real"
        return (D, G) if self.share == 1 else (self._shared(D), self._shared(G))

    def _shared(self, loss: Callable) -> Callable:
        return lambda *arguments: tuple(self.share * part for part in loss(*arguments))


def alternating_step(game: Game, real: Array, codes: Array, learning_rate: Array | float) -> Losses:
    """D learns first; then G learns against the new D, on fresh noise (the DCGAN code).

    ``real`` are images (N, H, W, 3) in [0, 1], ``codes`` latent codes (2, N, Z): first for D's turn, then for G's.
    """
    G, D, (loss, g_loss) = game.generator, game.discriminator, game.loss_functions()

    # D's turn. Its loss ends at the images: G's backward pass is not even kept.
    fake = _draw(G, codes, 0, of=2)[0]
    if one_chain.as_one_batch(game, real, fake):
        d_real, d_fake = one_chain.learn_both(D, real, fake, loss)
    else:
        d_real, d_fake = D.learn(real, 1, loss), D.learn(fake, 0, loss)
    D.update(learning_rate)

    # G's turn. D only passes the gradient on (grads=None).
    fake, g_backward = _draw(G, codes, 1, of=2)
    logits, d_backward = D.network(fake, training=True)
    g, dlogits = g_loss(logits)
    g_backward(d_backward(dlogits), G.gradients, need_dx=False)
    G.update(learning_rate)
    return Losses(d_real, d_fake, g)


def shared_step(game: Game, real: Array, codes: Array, learning_rate: Array | float) -> Losses:
    """One generated batch and one judgement of it serve both; both learn at once (the ResNet code).

    ``real`` are images (N, H, W, 3) in [0, 1], ``codes`` latent codes (1, N, Z).
    """
    G, D, (loss, g_loss) = game.generator, game.discriminator, game.loss_functions()

    fake, g_backward = _draw(G, codes, 0, of=1)
    if one_chain.mixes_images(D) or not isinstance(game.loss, str):
        logits, d_backward = D.network(fake, training=True)
        g, g_dlogits = g_loss(logits)
        d_fake, d_dlogits = loss(logits, 0)
        dfake = d_backward(g_dlogits)  # D only passes G's gradient on
        d_backward(d_dlogits, D.gradients, need_dx=False)
        del d_backward  # with what D kept of the generated images, before the real ones need the memory
        d_real = D.learn(real, 1, loss)
    else:
        d_real, d_fake, g, dfake = one_chain.learn_and_pass_on(D, real, fake, game)
    g_backward(dfake, G.gradients, need_dx=False)

    # Only now: every gradient above belongs to the old parameters.
    G.update(learning_rate)
    D.update(learning_rate)
    return Losses(d_real, d_fake, g)


def _draw(G: Player, codes: Array, batch: int, of: int) -> tuple[Array, Backward]:
    """G's images from one of the batches of codes, and their backward; InputError where the codes do not fit."""
    if not hasattr(codes, "dtype") or codes.ndim != 3 or len(codes) < of:
        raise InputError(f"expected codes ({of}, N, Z); found {described(codes)}")
    try:
        return G.network(codes[batch], training=True)
    except InputError as error:
        raise InputError(f"{error}: a Game is (generator, discriminator), and codes are ({of}, N, Z)") from error


class Schedule(NamedTuple):
    """An update schedule and how many batches of codes one iteration of it uses."""

    step: Callable[[Game, Array, Array, Array | float], Losses]
    code_batches: int


SCHEDULES = Choices("schedule", {"alternating": Schedule(alternating_step, 2), "shared": Schedule(shared_step, 1)})
