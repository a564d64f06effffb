"""What --dry-run says of a GPU: measured on it where there is one, and without one what the stand-in counts."""

import re

import pytest

from tests.gpu.test_captured import gpu_options, train  # noqa: F401 (a fixture)
from tests.training.conftest import tiny_data, tiny_options  # noqa: F401 (fixtures)
from tinygan import device as devices
from tinygan.device import open_backend
from tinygan.ops.cuda import cublas
from tinygan.training import dryrun, one_chain, stepmemory
from tinygan.training.dryrun import describe
from tinygan.training.feed import latent_codes
from tinygan.training.options import Options
from tinygan.training.session import build_game
from tinygan.training.step import SCHEDULES
from tinygan.training.stepmemory import measured_on, step_memory

MIB = 2**20


def stated(text: str) -> tuple[float, float]:
    """Of all, and of a batch, in MiB."""
    found = re.search(r"about (\d+) MiB: \d+ MiB of parameters.*, and (\d+) MiB for a batch of", text)
    return float(found[1]), float(found[2])


def counted(xp, options: Options) -> int:
    """The most bytes that one captured step has at any moment, by the stand-in; nothing is computed."""
    backend = open_backend("gpu", options.precision)
    game, schedule = build_game(options, backend), SCHEDULES[options.schedule]
    real = xp.zeros((options.batch_size, *options.image_size, 3), backend.dtype)
    codes = backend.to_device(latent_codes(options, 1, schedule.code_batches))
    rate, pool = xp.zeros((), backend.dtype), xp.cuda.MemoryPool()
    stream = xp.cuda.get_current_stream()
    cublas.handle(xp)  # never during a capture
    with xp.cuda.using_allocator(pool.malloc):
        stream.begin_capture()
        schedule.step(game, real, codes, rate)
        stream.end_capture()
    return pool.most_used


@pytest.mark.parametrize(
    "model", [{}, {"model": "resnet", "d_features": [8, 12], "d_blocks": [1, 2]}], ids=["", "resnet"]
)
@pytest.mark.parametrize(("norm", "schedule"), [("wn", "shared"), ("wn", "alternating"), ("bn", "shared")])
@pytest.mark.parametrize("limit", [2**22, 1000])
def test_without_a_device_the_step_is_that_of_a_gpu(fake_cupy, tiny_options, monkeypatch, model, norm, schedule, limit):  # noqa: F811
    """Also where a GPU takes real and generated images as one batch, and the CPU would not."""
    monkeypatch.setattr(one_chain, "SMALL", 1000)
    monkeypatch.setattr(one_chain, "SMALL_ON_GPU", limit)
    sizes = {"image_size": (16, 16), "batch_size": 40, "features": 8}
    options = tiny_options(device="gpu", norm=norm, schedule=schedule, **sizes | model)
    memory = fake_cupy.stand_in.device.memory
    memory.watched = False
    expected = counted(fake_cupy, options)
    per_step = step_memory(options, build_game(options, open_backend("cpu")))
    assert per_step == pytest.approx(expected, rel=0.12)


def test_the_peak_lies_elsewhere_with_few_images(fake_cupy):
    """Of the paper's network: among the weights with 16 images, among the patches with 32."""
    options = Options(device="gpu", batch_size=32, image_size=(32, 32))
    fake_cupy.stand_in.device.memory.watched = False
    expected = counted(fake_cupy, options)
    per_step = step_memory(options, build_game(options, open_backend("cpu")))
    assert per_step == pytest.approx(expected, rel=0.05)


def test_a_device_measures_it(gpu_options):  # noqa: F811
    options = gpu_options(iterations=3, test_every=0)
    text = describe(options)
    trainer = train(options)
    whole, batch = stated(text)
    pool = trainer.iteration.replay._bytes_of_graph
    rel = 0.05 if hasattr(trainer.backend.xp, "stand_in") else 0.3  # CuPy's pool splits blocks, and keeps the pieces
    assert measured_on(open_backend("gpu"), options) == pytest.approx(pool, rel=rel)
    assert batch == pytest.approx(pool / MIB, rel=rel, abs=1)
    assert whole >= batch
    assert re.search(r"measured on .* of which \d+ MiB are free", text)
    assert "plain formulas" not in text


def test_nothing_of_a_measurement_stays_on_the_device(fake_cupy, tiny_options):  # noqa: F811
    options, memory = tiny_options(device="gpu"), fake_cupy.stand_in.device.memory
    describe(options)  # handles are made
    fake_cupy.get_default_memory_pool().free_all_blocks()
    before = memory.used
    describe(options)
    fake_cupy.get_default_memory_pool().free_all_blocks()
    assert memory.used == before


def test_a_device_without_enough_memory_says_so(fake_cupy, tiny_options):  # noqa: F811
    options, memory = tiny_options(device="gpu"), fake_cupy.stand_in.device.memory
    describe(options)
    fake_cupy.get_default_memory_pool().free_all_blocks()
    memory.limit = memory.used + 2**18
    text = describe(options)
    assert re.search(r"memory of a training step: more than the 0 MiB that are free on pretended GPU", text)
    assert "--batch-size" in text


def test_without_a_device_nothing_is_claimed_for_one(tiny_options, monkeypatch):  # noqa: F811
    monkeypatch.setattr(devices, "why_no_gpu", lambda: "none")
    monkeypatch.setattr(dryrun, "why_no_gpu", lambda: "none")
    monkeypatch.setattr(stepmemory, "why_no_gpu", lambda: "none")
    text = describe(tiny_options(device="gpu"))
    assert "counted on the CPU with the plain formulas" in text
    stated(text)
