"""The two schedules against their definition, and who may touch what."""

import threading
import weakref

import numpy as np
import pytest

from tests.tiles import patches_only
from tinygan.device import open_backend
from tinygan.errors import InputError
from tinygan.layers import BatchNorm, Layer, Linear, ReLU, Reshape, Sequential
from tinygan.losses import ADVERSARIAL_LOSSES
from tinygan.models.norms import NORMS
from tinygan.rng import rng_for
from tinygan.training import one_chain
from tinygan.training.player import Player
from tinygan.training.session import build_game
from tinygan.training.step import SCHEDULES, Game, alternating_step, shared_step

LEARNING_RATE = 1e-3


@pytest.fixture
def make(tiny_options):
    """A function to a game in float64, real images (N, H, W, 3) and codes (2, N, Z).

    With 8 channels and more, so that a step's convolutions are of tiles as in training; what it is compared with is
    computed of patches.
    """

    def build(norm, loss="bce", N=7):
        options = tiny_options(norm=norm, loss=loss, precision="float64", features=8, batch_size=N)
        rng = rng_for(1, "step test")
        real = rng.random((N, *options.image_size, 3))
        return build_game(options, open_backend("cpu", "float64")), real, rng.standard_normal((2, N, options.code_size))

    return build


@patches_only()
def gradient_of_d(game, images, target):
    D = game.discriminator
    grads = D.parameters.zeros_like()
    logits, backward = D.network(images, training=True)
    value, dlogits = ADVERSARIAL_LOSSES[game.loss](logits, target)
    backward(dlogits, grads)
    return value, grads


@patches_only()
def gradient_of_g(game, codes):
    G, D = game.generator, game.discriminator
    grads = G.parameters.zeros_like()
    fake, g_backward = G.network(codes, training=True)
    logits, d_backward = D.network(fake, training=True)
    value, dlogits = ADVERSARIAL_LOSSES[game.loss](logits, 1)
    g_backward(d_backward(dlogits, D.parameters.zeros_like()), grads)
    return value, grads


def updated(player, grads):
    """Where RMSProp's first step takes the parameters: −lr·g/(√(0.1·g²) + 1e-6), slopes in [0, 1]."""
    w, g = player.parameters.flat, grads.flat
    moved = player.parameters.zeros_like()
    moved.flat[:] = w - LEARNING_RATE * g / (np.sqrt((1 - 0.9) * g * g) + 1e-6)
    for name, view in moved.items():
        if name.endswith("slope"):
            np.clip(view, 0, 1, out=view)
    return moved.flat


def assert_close(actual, expected):
    # The same float64 operations in another grouping.
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("N", [1, 7])
@pytest.mark.parametrize("loss", ADVERSARIAL_LOSSES)
@pytest.mark.parametrize("norm", NORMS)
def test_alternating_is_d_then_g_against_the_new_d(make, norm, loss, N):
    game, real, codes = make(norm, loss, N)
    G, D = game.generator, game.discriminator
    fake = G.network(codes[0], training=True)[0]
    d_real, on_real = gradient_of_d(game, real, 1)
    d_fake, on_fake = gradient_of_d(game, fake, 0)
    on_real.flat[:] += on_fake.flat
    new_d = updated(D, on_real)
    D.parameters.flat[:], old_d = new_d, D.parameters.flat.copy()
    g, on_g = gradient_of_g(game, codes[1])
    new_g = updated(G, on_g)
    D.parameters.flat[:] = old_d

    losses = alternating_step(game, real, codes, LEARNING_RATE)
    assert_close(losses, (d_real, d_fake, g))
    assert_close(D.parameters.flat, new_d)
    assert_close(G.parameters.flat, new_g)


@pytest.mark.parametrize("N", [1, 7])
@pytest.mark.parametrize("norm", NORMS)
def test_shared_takes_every_gradient_at_the_old_parameters(make, norm, N):
    game, real, codes = make(norm, N=N)
    G, D = game.generator, game.discriminator
    fake = G.network(codes[0], training=True)[0]
    d_real, on_real = gradient_of_d(game, real, 1)
    d_fake, on_fake = gradient_of_d(game, fake, 0)
    g, on_g = gradient_of_g(game, codes[0])
    on_real.flat[:] += on_fake.flat
    new_d, new_g = updated(D, on_real), updated(G, on_g)

    losses = shared_step(game, real, codes, LEARNING_RATE)
    assert_close(losses, (d_real, d_fake, g))
    assert_close(D.parameters.flat, new_d)
    assert_close(G.parameters.flat, new_g)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_step_uses_up_its_gradients_and_leaves_its_inputs(make, schedule):
    game, real, codes = make("bn")
    before = real.copy(), codes.copy()
    SCHEDULES[schedule].step(game, real, codes, LEARNING_RATE)
    for player in game[:2]:
        assert not player.gradients.flat.any()
    np.testing.assert_array_equal(real, before[0])
    np.testing.assert_array_equal(codes, before[1])


@pytest.mark.parametrize(("schedule", "g_passes", "d_passes"), [("alternating", 2, 2), ("shared", 1, 2)])
def test_no_pass_is_made_twice(make, schedule, g_passes, d_passes, monkeypatch):
    game, real, codes = make("bn")
    seen = []
    call = BatchNorm.__call__

    def counting(self, x, training=False):
        assert training
        seen.append(self)
        return call(self, x, training)

    monkeypatch.setattr(BatchNorm, "__call__", counting)
    SCHEDULES[schedule].step(game, real, codes, LEARNING_RATE)
    counts = [sum(one in list(player.network.walk()) for one in seen) for player in game[:2]]
    layers = [sum(isinstance(one, BatchNorm) for one in player.network.walk()) for player in game[:2]]
    assert [count / number for count, number in zip(counts, layers, strict=True)] == [g_passes, d_passes]


@pytest.mark.parametrize("norm", ["bn", "wn"])
def test_what_g_kept_is_free_before_d_looks(make, norm):
    """G's first pass of an alternating step has no backward: what it kept would be memory beside D's."""
    game, real, codes = make(norm)
    G, D, made, alive = game.generator, game.discriminator, [], []
    g_network, d_network = G.network, D.network

    def watched(x, training):
        y, backward = g_network(x, training)
        made.append(weakref.ref(backward))
        return y, backward

    def looking(x, training):
        alive.append([one() is not None for one in made])
        return d_network(x, training)

    looking.walk = d_network.walk
    G.network, D.network = watched, looking
    alternating_step(game, real, codes, LEARNING_RATE)
    assert alive[0] == [False]  # D's turn
    assert alive[-1] == [False, True]  # G's turn goes back through the second


def test_slopes_stay_between_0_and_1(make):
    game, real, codes = make("wn")
    for _ in range(20):
        alternating_step(game, real, codes, 0.3)
    slopes = [view for player in game[:2] for name, view in player.parameters.items() if name.endswith("slope")]
    assert all((slope >= 0).all() and (slope <= 1).all() for slope in slopes)
    assert any((slope == 0).any() or (slope == 1).any() for slope in slopes)  # the border was really met


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("norm", NORMS)
def test_small_and_large_images_learn_the_same(make, norm, schedule, monkeypatch):
    results = []
    for small in (0, 10**9):
        monkeypatch.setattr(one_chain, "SMALL", small)
        game, real, codes = make(norm)
        losses = SCHEDULES[schedule].step(game, real, codes, LEARNING_RATE)
        stores = [store.flat for player in game[:2] for store in player.stores().values()]
        results.append((losses, *stores))
    for apart, together in zip(*results, strict=True):
        assert_close(apart, together)


class Centred(Layer):
    """Mixes images, in a way that nobody but its author knows."""

    mixes_images = True

    def __call__(self, x, training=False):
        return x - x.mean(axis=0), lambda dy, grads=None, need_dx=True: dy - dy.mean(axis=0)


@pytest.mark.parametrize(("norm", "together"), [("none", True), ("wn", True), ("bn", True), ("own", False)])
def test_who_judges_real_and_generated_images_in_one_go(make, norm, together):
    game, real, _ = make("none" if norm == "own" else norm)
    D = game.discriminator
    if norm == "own":
        D.network = Sequential([D.network, Centred()])
    assert one_chain.as_one_batch(game, real, real) == together
    assert one_chain.as_one_batch(game, real[1:], real) == (together and norm != "bn")  # its halves are of one size


def test_a_layer_of_ones_own_may_give_batch_norm_the_images_in_another_order(make):
    game, real, _ = make("bn")

    class Turned(Sequential):
        pass

    game.discriminator.network = Turned([game.discriminator.network])
    assert not one_chain.as_one_batch(game, real, real)


def test_another_threads_batches_are_not_normalised_by_halves(make):
    """While D judges two batches here, G draws one there."""
    game, real, codes = make("bn")
    expected = game.generator.network(codes[0], training=True)[0]
    drawn, network = [], game.discriminator.network

    def judge(images, training):
        thread = threading.Thread(target=lambda: drawn.append(game.generator.network(codes[0], training=True)[0]))
        thread.start()
        thread.join()
        return network(images, training)

    game.discriminator.network = judge
    one_chain.learn_both(game.discriminator, real, expected, ADVERSARIAL_LOSSES["bce"])
    np.testing.assert_array_equal(drawn[0], expected)


def test_real_and_generated_images_of_other_numbers_with_batch_norm(make):
    """The step of one's own may give them; each is normalised by itself."""
    game, real, codes = make("bn")
    fake = game.generator.network(codes[0], training=True)[0]
    d_real, _ = gradient_of_d(game, real[1:], 1)
    d_fake, _ = gradient_of_d(game, fake, 0)
    assert_close(alternating_step(game, real[1:], codes, LEARNING_RATE)[:2], (d_real, d_fake))


@pytest.mark.parametrize("N", [2, 3, 6])
@pytest.mark.parametrize("norm", ["wn", "bn"])
def test_the_shared_step_takes_real_and_generated_images_of_other_numbers(make, norm, N):
    results = []
    for small in (True, False):
        game, real, codes = make(norm, N=N)
        with one_chain.as_if(small):
            losses = shared_step(game, real[1:], codes, LEARNING_RATE)
        results.append((losses, game.generator.parameters.flat, game.discriminator.parameters.flat))
    for together, apart in zip(*results, strict=True):
        assert_close(together, apart)


@pytest.mark.parametrize("loss", ADVERSARIAL_LOSSES)
@pytest.mark.parametrize("logit", [-800.0, -60.0, 60.0, 800.0])
def test_one_chain_of_gradients_survives_a_sure_discriminator(make, loss, logit):
    """D certain of generated images: the divisor of the shared chain underflows, G's gradient must not."""
    game, real, codes = make("none", loss)
    D = game.discriminator
    D.parameters["last.b"][...] += logit
    g, on_g = gradient_of_g(game, codes[0])
    _, on_real = gradient_of_d(game, real, 1)
    _, on_fake = gradient_of_d(game, game.generator.network(codes[0], training=True)[0], 0)
    grads = {}
    for name, player in (("g", game.generator), ("d", D)):
        player.update = lambda _, name=name, player=player: grads.update({name: player.gradients.flat.copy()})
    losses = shared_step(game, real, codes, LEARNING_RATE)
    assert_close(losses.g, g)
    np.testing.assert_allclose(grads["g"], on_g.flat, rtol=1e-9, atol=1e-12 * np.abs(on_g.flat).max())
    np.testing.assert_allclose(grads["d"], on_real.flat + on_fake.flat, rtol=1e-9, atol=1e-16)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("norm", ["bn", "wn"])
@pytest.mark.parametrize(
    "spoil", [lambda real: (255 * real).astype(np.uint8), lambda real: real[:, 1:], lambda real: real[..., :1]]
)
def test_real_images_that_are_not_as_generated_ones_are_refused(make, norm, schedule, spoil):
    game, real, codes = make(norm)
    with pytest.raises(InputError):
        SCHEDULES[schedule].step(game, spoil(real), codes, LEARNING_RATE)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("N", [8, 7])
def test_real_things_need_not_be_images(schedule, N):
    """Points in a plane."""
    rng, backend = np.random.default_rng(0), open_backend("cpu", "float64")
    G, D = Sequential([Linear(3, 2)]), Sequential([Linear(2, 5), ReLU(), Linear(5, 1), Reshape(())])
    game = Game(Player(G, rng, backend), Player(D, rng, backend), "bce")
    before = game.generator.parameters.flat.copy()
    losses = SCHEDULES[schedule].step(game, rng.random((N, 2)), rng.standard_normal((2, 8, 3)), LEARNING_RATE)
    assert np.isfinite(losses).all()
    assert not np.array_equal(before, game.generator.parameters.flat)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_logits_with_an_axis_too_many_are_refused(schedule):
    rng, backend = np.random.default_rng(0), open_backend("cpu", "float64")
    game = Game(Player(Linear(3, 2), rng, backend), Player(Linear(2, 1), rng, backend), "bce")
    with pytest.raises(InputError, match=r"found .*\(\d+, 1\)"):
        SCHEDULES[schedule].step(game, rng.random((8, 2)), rng.standard_normal((2, 8, 3)), LEARNING_RATE)
