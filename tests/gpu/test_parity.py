"""The GPU computes what the CPU computes: every layer, both schedules, both precisions; so does the stand-in."""

import numpy as np
import pytest

from tests.layers.cases import CASES, every_layer, smooth_input
from tests.training.conftest import TINY_RESNET
from tinygan.device import open_backend
from tinygan.gradcheck import randomise
from tinygan.layers import initialise
from tinygan.models.norms import NORMS
from tinygan.rng import rng_for
from tinygan.training.options import MODELS, Options
from tinygan.training.session import build_game
from tinygan.training.step import SCHEDULES

# Products are summed in another order: √K·eps of the result for sums of K ≤ 8192 terms, with a margin of about 10.
TOLERANCE = {"float64": 1e-12, "float32": 1e-4}


def assert_close(on_gpu: dict, on_cpu: dict, tolerance: float) -> None:
    """Equal names, types and shapes; values within ``tolerance`` of the array's largest.

    Where that is 1e-15 of the largest of all or less, it is rounding: a bias before batch norm has no gradient.
    """
    assert on_gpu.keys() == on_cpu.keys()
    rounding = 1e-15 * max(np.abs(expected).max() for expected in on_cpu.values())
    for name, expected in on_cpu.items():
        actual = on_gpu[name]
        assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape), name
        limit = tolerance * max(np.abs(expected).max(), rounding)
        np.testing.assert_allclose(actual, expected, rtol=0, atol=limit, err_msg=name)


def layer_results(case, device: str, precision: str) -> dict:
    """Output and all gradients of a layer on ``device``, on the host."""
    backend = open_backend(device, precision)
    layer = case.build()
    parameters, buffers = initialise(layer, rng_for(0, "gpu test"), backend)
    host = open_backend("cpu", precision)
    values, _ = initialise(case.build(), rng_for(0, "gpu test"), host)
    randomise(values, rng_for(0, "gpu test parameters"))
    parameters.load(values)
    y, backward = layer(backend.to_device(smooth_input(case.shape)), case.training)
    upstream = rng_for(0, "upstream").standard_normal(y.shape)
    grads = parameters.zeros_like()
    dx = backward(backend.to_device(upstream), grads)
    results = {"y": y, "dx": dx, **{f"d {name}": grad for name, grad in grads.items()}, **buffers}
    return {name: np.asarray(backend.to_host(value)) for name, value in results.items()}


@every_layer
@pytest.mark.parametrize("precision", TOLERANCE)
def test_every_layer(xp, case, precision):
    on_gpu, on_cpu = (layer_results(case, device, precision) for device in ("gpu", "cpu"))
    assert_close(on_gpu, on_cpu, TOLERANCE[precision])


def step_results(options: Options, device: str) -> dict:
    """Losses and everything that one step from the same start leaves behind, on the host."""
    backend = open_backend(device, options.precision)
    game = build_game(options, backend)
    rng = rng_for(0, "gpu test")
    schedule = SCHEDULES[options.schedule]
    real = backend.to_device(rng.random((options.batch_size, *options.image_size, 3)))
    codes = backend.to_device(rng.standard_normal((schedule.code_batches, options.batch_size, options.code_size)))
    losses = schedule.step(game, real, codes, options.learning_rate)
    results = {name: np.asarray(backend.to_host(loss)) for name, loss in losses._asdict().items()}
    for role, player in (("G", game.generator), ("D", game.discriminator)):
        for store, arrays in player.stores().items():
            if store != "parameters":  # RMSProp's first step is lr·sign(g): it makes rounding of a tiny g visible
                results |= {f"{role} {store} {name}": value for name, value in arrays.to_host().items()}
    return results


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("model", MODELS)
def test_a_step_of_the_paper_network(xp, model, norm, schedule):
    if hasattr(xp, "stand_in"):
        sizes = {"features": 4, **(TINY_RESNET if model == "resnet" else {})}
    else:
        sizes = {"model": model}
    options = Options(norm=norm, schedule=schedule, precision="float64", batch_size=8, learning_rate=1e-6, **sizes)
    # After D's update the G half of `alternating` sees parameters that differ by rounding: 1e-9 instead of 1e-12.
    assert_close(step_results(options, "gpu"), step_results(options, "cpu"), 1e-9)


def test_there_is_a_case_for_every_layer():
    assert len(CASES) > 30
