"""Both ways of feeding a GPU give the bytes that the CPU's source gives."""

import numpy as np
import pytest

from tinygan.data.batches import BatchSource
from tinygan.data.devicebatches import ResidentSource, StreamedSource, open_source
from tinygan.device import open_backend

ARGUMENTS = (np.arange(0, 40, 2), 6, 3)  # indices, batch size, seed


@pytest.fixture
def photos():
    return np.random.default_rng(0).integers(0, 256, (40, 6, 8, 3)).astype(np.uint8)


@pytest.fixture
def gpu(fake_cupy):
    return open_backend("gpu")


@pytest.mark.parametrize("kind", [ResidentSource, StreamedSource])
@pytest.mark.parametrize(
    "options", [{}, {"augment": ("flip",)}, {"augment": ("flip", "crop"), "size": (4, 2)}, {"size": (4, 4)}]
)
def test_the_same_batches_as_on_the_cpu(photos, gpu, kind, options):
    host, device = BatchSource(photos, *ARGUMENTS, **options), kind(gpu, photos, *ARGUMENTS, **options)
    for iteration in (1, 2, 3, 4, 9, 8, 10):  # in order as in training, and out of it
        batch = device.batch(iteration)
        assert not isinstance(batch, np.ndarray)
        assert np.array_equal(gpu.to_host(batch), host.batch(iteration))


def test_a_set_lives_on_the_device_if_it_takes_half_of_the_free_memory_at_most(photos, gpu, fake_cupy):
    for free, kind in ((2 * photos.nbytes, ResidentSource), (2 * photos.nbytes - 2, StreamedSource)):
        fake_cupy.cuda.runtime.memGetInfo = lambda free=free: (free, 10 * free)
        assert type(open_source(gpu, photos, *ARGUMENTS)) is kind
    assert type(open_source(open_backend("cpu"), photos, *ARGUMENTS)) is BatchSource


def test_a_set_is_uploaded_in_parts(photos, gpu, monkeypatch):
    monkeypatch.setattr("tinygan.data.devicebatches.UPLOAD_BYTES", 3 * photos[0].nbytes)
    source = ResidentSource(gpu, photos, *ARGUMENTS)
    assert np.array_equal(gpu.to_host(source.batch(5)), BatchSource(photos, *ARGUMENTS).batch(5))


def test_a_buffer_is_written_again_only_after_its_copy_has_ended(photos, gpu, fake_cupy, monkeypatch):
    waited, source = [], StreamedSource(gpu, photos, *ARGUMENTS)
    wait = fake_cupy.cuda.Event.synchronize
    monkeypatch.setattr(fake_cupy.cuda.Event, "synchronize", lambda event: waited.append(event) or wait(event))
    batches = [source.batch(iteration) for iteration in (1, 2, 3, 4)]
    source._next[5].result()
    assert len(set(map(id, waited))) == 3  # before the batches 3, 4 and 5 are gathered into the buffers of 1, 2 and 3
    assert len({gpu.to_host(batch).tobytes() for batch in batches}) == 4
