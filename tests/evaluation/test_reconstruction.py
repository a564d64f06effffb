"""The reconstruction measure: independent images, right descent, agreement with PyTorch."""

from types import SimpleNamespace

import numpy as np
import pytest

from tinygan.device import open_backend
from tinygan.errors import InputError, UsageError
from tinygan.layers import initialise
from tinygan.models.dcgan import generator
from tinygan.models.norms import NORMS
from tinygan.reconstruction import Reconstruction, Search, join, search_codes, summary
from tinygan.rng import rng_for
from tinygan.runtime.workers import WorkerGroup
from tinygan.training import batched_search
from tinygan.training.batched_search import reconstruct, usual_batch

SIZE, CODE = (12, 16), 6


def make_generator(norm, precision="float64"):
    network = generator(SIZE, CODE, features=8, norm=norm)  # 8 channels and more: convolutions of tiles
    backend = open_backend("cpu", precision)
    parameters, _ = initialise(network, rng_for(0, "test generator"), backend)
    # As after training: weights that make images differ, and statistics of batch norm that are neither 0 nor 1.
    rng = rng_for(1, "test generator")
    parameters.flat[:] += 0.1 * rng.standard_normal(parameters.flat.shape)
    network(rng.standard_normal((32, CODE)).astype(precision), training=True)
    return network, backend


def random_targets(count):
    return rng_for(2, "test targets").integers(0, 256, (count, *SIZE, 3)).astype(np.uint8)


def search_all(norm, targets, search, batch_size, precision="float64"):
    network, backend = make_generator(norm, precision)

    def random_codes(restart):
        return rng_for(3, "test restarts", restart).standard_normal((len(targets), CODE))

    return join(list(reconstruct(network, targets, CODE, search, backend, batch_size, random_codes)))


def rmsprop_by_hand(norm, target, steps, learning_rate):
    """One image, one code, the formulas written out; dL/dz by central differences."""
    network, _ = make_generator(norm)
    x, z, average = target[None] / 255, np.zeros((1, CODE)), np.zeros((1, CODE))

    def loss(code):
        return float(((network(code)[0] - x) ** 2).mean())

    for _ in range(steps):
        gradient = np.zeros_like(z)
        for k in range(CODE):
            h = np.zeros_like(z)
            h[0, k] = 1e-6
            gradient[0, k] = (loss(z + h) - loss(z - h)) / 2e-6
        average = 0.9 * average + 0.1 * gradient**2
        z = z - learning_rate * gradient / (np.sqrt(average) + 1e-6)
    return z[0], loss(z)


@pytest.mark.parametrize("norm", NORMS)
def test_the_search_is_rmsprop_on_each_image_alone(norm):
    targets = random_targets(3)
    result = search_all(norm, targets, Search(steps=5), batch_size=3)
    for code, loss, target in zip(result.codes, result.losses, targets, strict=True):
        expected_code, expected_loss = rmsprop_by_hand(norm, target, 5, 0.01)
        # Differences with step 1e-6 know the gradient to 1e-9 of 1; RMSProp divides it by its size, some 1e-3.
        np.testing.assert_allclose(code, expected_code, atol=1e-6)
        assert abs(loss - expected_loss) < 1e-9


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_any_batches_give_the_same_losses(norm, precision):
    targets = random_targets(11)
    whole = search_all(norm, targets, Search(steps=50), 11, precision)
    # Products round differently for other numbers of rows; 50 steps carry that on.
    tolerance = {"float64": 1e-9, "float32": 1e-4}[precision]
    for batch_size in (1, 4, 100):
        parts = search_all(norm, targets, Search(steps=50), batch_size, precision)
        np.testing.assert_allclose(parts.losses, whole.losses, rtol=tolerance)
    assert whole.losses.std() > 0  # the images do differ


def test_an_image_of_the_generator_is_found_again():
    network, backend = make_generator("wn")
    codes = 0.5 * rng_for(4, "known codes").standard_normal((5, CODE))
    targets = np.rint(network(codes)[0] * 255).astype(np.uint8)
    start, few, many = (
        join(list(reconstruct(network, targets, CODE, Search(steps), backend, 5))).losses.mean()
        for steps in (0, 50, 2000)
    )
    assert many < few < start
    assert many < 0.01 * start


@pytest.mark.parametrize("optimiser", ["rmsprop", "adam"])
def test_restarts_never_make_an_image_worse(optimiser):
    network, _ = make_generator("wn")
    # Far from code 0, and too few steps to get there: some random start is nearer.
    targets = np.rint(network(2 * rng_for(5, "far codes").standard_normal((6, CODE)))[0] * 255).astype(np.uint8)
    once = search_all("wn", targets, Search(3, 0.05, optimiser), 4)
    again = search_all("wn", targets, Search(3, 0.05, optimiser, restarts=6), 4)
    assert (again.losses <= once.losses).all()
    assert (again.losses < once.losses).any()
    whole = search_all("wn", targets, Search(3, 0.05, optimiser, restarts=6), 6)
    np.testing.assert_allclose(whole.losses, again.losses, rtol=1e-9)  # batches of other sizes round differently
    np.testing.assert_allclose(
        network(again.codes)[0], again.images, rtol=1e-12
    )  # code, image and loss belong together
    error = again.images - targets / 255
    np.testing.assert_allclose((error * error).mean(axis=(1, 2, 3)), again.losses, rtol=1e-12)


def test_a_restart_stands_in_for_a_search_that_has_diverged(monkeypatch):
    losses = iter([[np.nan, 1.0, 1.0, np.nan], [2.0, 2.0, 0.5, np.nan], [3.0, np.nan, 0.75, 4.0]])
    monkeypatch.setattr(
        batched_search,
        "search_codes",
        lambda _, targets, *__: Reconstruction(np.zeros((4, 1)), targets, np.array(next(losses))),
    )
    targets = np.zeros((4, 1, 1, 3), np.uint8)
    found = reconstruct(None, targets, 1, Search(1, restarts=2), open_backend("cpu"), 4, lambda _: np.zeros((4, 1)))
    np.testing.assert_array_equal(next(found).losses, [2.0, 1.0, 0.5, 4.0])


def restart_codes(restart):
    return rng_for(3, "test restarts", restart).standard_normal((9, CODE))


def test_every_restart_has_codes_of_its_own_and_the_best_counts():
    network, backend = make_generator("wn")
    search = Search(2, 0.05, restarts=4)
    starts = [np.zeros((9, CODE)), *(restart_codes(restart) for restart in (1, 2, 3, 4))]
    near = np.array([starts[k % 5][k] for k in range(9)])  # each image is drawn near another of its starts
    targets = np.rint(network(1.1 * near)[0] * 255).astype(np.uint8)
    found = [search_codes(network, targets / 255, start, search, backend) for start in starts]
    losses = np.array([one.losses for one in found])
    assert set(losses.argmin(axis=0)) == {0, 1, 2, 3, 4}  # every start is the best of some image
    best = join(list(reconstruct(network, targets, CODE, search, backend, 4, restart_codes)))
    np.testing.assert_allclose(best.losses, losses.min(axis=0), rtol=1e-9)
    for k, winner in enumerate(losses.argmin(axis=0)):
        np.testing.assert_allclose(best.codes[k], found[winner].codes[k], rtol=1e-6, atol=1e-9)


def test_a_group_of_processes_finds_what_one_finds():
    """Each member its own images with their own starts; 9 images are shared out as 5 and 4."""
    network, backend = make_generator("bn")
    targets, search = random_targets(9), Search(2, 0.05, restarts=4)
    alone = join(list(reconstruct(network, targets, CODE, search, backend, 9, restart_codes)))
    player = SimpleNamespace(network=network, parameters=SimpleNamespace(backend=backend))
    with WorkerGroup(SimpleNamespace(generator=player), 2) as workers:
        shared = join(list(reconstruct(network, targets, CODE, search, backend, 9, restart_codes, workers)))
    np.testing.assert_allclose(shared.losses, alone.losses, rtol=1e-9)
    np.testing.assert_allclose(shared.codes, alone.codes, rtol=1e-6, atol=1e-9)


def test_the_summary_is_what_it_says():
    targets = random_targets(7)
    result = search_all("none", targets, Search(5), 7)
    figures = summary(result)
    assert figures["loss"] == pytest.approx(result.losses.mean(), rel=1e-12)
    assert figures["std"] == pytest.approx(result.losses.std(), rel=1e-12)
    assert figures["psnr"] == pytest.approx(-10 * np.log10(result.losses.mean()), rel=1e-12)
    assert figures["z2"] == pytest.approx((result.codes**2).sum(axis=1).mean() / CODE, rel=1e-12)


def test_usual_batch():
    assert usual_batch((32, 32, 3), "cpu") == 200
    assert usual_batch((64, 64, 3), "cpu") == 50
    assert usual_batch((160, 160, 3), "cpu") == 16
    assert usual_batch((160, 160, 3), "gpu") == 40


def test_targets_that_are_not_such_images_are_refused():
    network, backend = make_generator("wn")
    targets, start = np.zeros((5, *network(np.zeros((1, CODE)))[0].shape[1:])), np.zeros((5, CODE))
    for wrong, codes in (
        (targets[..., :1], start), (targets, start[:1]), (targets, start[:3]), (targets.astype(np.uint8), start),
    ):  # fmt: skip
        with pytest.raises(InputError, match="expected targets as floats"):
            search_codes(network, wrong, codes, Search(1), backend)
    with pytest.raises(UsageError, match="restarts needs random_codes"):
        next(reconstruct(network, targets.astype(np.uint8), CODE, Search(1, restarts=1), backend, 5))
