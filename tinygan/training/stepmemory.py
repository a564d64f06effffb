"""How much memory a training step takes: measured by running one, or parts of one, instead of modelled."""

import dataclasses
import math
import tracemalloc

import numpy as np

from tinygan.device import PRECISIONS, Backend, why_no_gpu
from tinygan.layers import Layer
from tinygan.ops import dispatch
from tinygan.ops.cpu.correlate import batches_as_if_larger
from tinygan.ops.reference import ceil_div
from tinygan.runtime import threads
from tinygan.runtime.graph import WARM_UPS
from tinygan.runtime.scratch import release_scratch
from tinygan.training import one_chain
from tinygan.training.feed import latent_codes
from tinygan.training.options import Options
from tinygan.training.session import build_game
from tinygan.training.shards import process_count
from tinygan.training.step import SCHEDULES, Game

FEWEST_IMAGES, MOST_IMAGES = 12, 64  # of a measured step; a line through steps with fewer is off by any factor
FEWEST_FOR_GPU = 32  # with the plain formulas, whose peak is among the patches from 24 images on
MEASURABLE = 2**32  # bytes that measuring may take; beyond that nothing is measured


def device_of(options: Options) -> str:
    """Where a run with these options would compute."""
    return "gpu" if options.device == "gpu" or (options.device == "auto" and why_no_gpu() is None) else "cpu"


def parameter_count(layer: Layer, specs: str = "parameter_specs") -> int:
    """How many values the layer and its children learn, or have as buffers (``buffer_specs``)."""
    return sum(math.prod(spec.shape) for one in layer.walk() for spec in getattr(one, specs).values())


def resident_memory(options: Options, networks: tuple[Layer, Layer], device: str) -> int:
    """Bytes of the arrays that stay: parameters, their averages, buffers, and gradients of each process."""
    members = process_count((options.batch_size, *options.image_size, 3), device)
    values = sum((2 + members) * parameter_count(one) + parameter_count(one, "buffer_specs") for one in networks)
    return values * np.dtype(PRECISIONS[options.precision]).itemsize


def affordable_images(options: Options, resident: int) -> int:
    """How many images a measured step may have.

    For the DCGAN in float32 roughly 20 bytes per value of the outermost feature map were measured (``features`` values
    per pixel); four times that for each block of a residual network, and twice that with the plain formulas for a GPU.
    What a step makes of the weights takes no more than they do themselves.
    """
    features, blocks = options.features, 1
    if options.model == "resnet":
        levels = [options.residual_levels(network) for network in "dg"]
        features, blocks = max(one[0][0] for one in levels), 4 * max(one[1][0] for one in levels)
    itemsize = np.dtype(PRECISIONS[options.precision]).itemsize * (2 if device_of(options) == "gpu" else 1)
    per_image = 5 * itemsize * features * blocks * math.prod(options.image_size)
    return min(max(0, MEASURABLE - 2 * resident) // per_image, MOST_IMAGES)


def step_memory(options: Options, game: Game) -> float:
    """Bytes that a training step takes at its peak, beside the arrays that stay; for all processes together.

    For each process, steps with half of its shard and with three quarters of that are run, with the algorithms that the
    whole takes. A straight line through the two gives the whole, since everything else that a step keeps is per image.
    With few images the peak may lie elsewhere in the step, among the weights; so half is at least ``FEWEST_IMAGES``.
    For a GPU that is not here the plain formulas are measured, which keep patches as its kernels do.
    """
    device = device_of(options)
    members = process_count((options.batch_size, *options.image_size, 3), device)
    resident = resident_memory(options, (game.generator.network, game.discriminator.network), device)
    most, shard = affordable_images(options, resident), ceil_div(options.batch_size, members)
    before, operations = threads.thread_count(), dispatch.implementation()
    threads.use_all_cores(max(1, threads.core_count() // members))  # a member's; every thread has scratch memory
    if device == "gpu":
        dispatch.use("reference")  # patches of whole batches, kept for the backward pass
    small = one_chain.fits(shard * math.prod(options.image_size) * 3, device)
    try:
        with one_chain.as_if(small):
            return members * _shard_memory(options, game, shard, most, device)
    finally:
        dispatch.use(operations)
        threads.use_all_cores(before)


def _shard_memory(options: Options, game: Game, shard: int, most: int, device: str) -> float:
    """The peak with ``shard`` images: measured if these are few, else by the line through two of at most ``most``."""
    fewest = FEWEST_IMAGES if device == "cpu" else min(FEWEST_FOR_GPU, most)
    if shard <= fewest:
        return _peak(options, game, shard)
    half = max(fewest, min(ceil_div(shard, 2), most))
    fewer = half * 3 // 4
    with batches_as_if_larger(shard / half):
        at_half = _peak(options, game, half)
    with batches_as_if_larger(shard / fewer):
        at_fewer = _peak(options, game, fewer)
    return at_half + (shard - half) * (at_half - at_fewer) / (half - fewer)


def _peak(options: Options, game: Game, images: int) -> int:
    """Bytes that a step with ``images`` images allocates on top of what is there, at its peak."""
    schedule = SCHEDULES[options.schedule]
    dtype = game.generator.parameters.flat.dtype
    real = np.full((images, *options.image_size, 3), 0.5, dtype)
    codes = latent_codes(dataclasses.replace(options, batch_size=images), 1, schedule.code_batches).astype(dtype)
    schedule.step(game, real, codes, 0.0)  # fills caches for good, and imports
    release_scratch()  # so that it counts
    tracemalloc.start()
    try:
        for _ in range(
            2
        ):  # in one alone, a thread may miss the large tasks, whose scratch memory it keeps from then on
            schedule.step(game, real, codes, 0.0)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def measured_on(backend: Backend, options: Options) -> int | None:
    """Bytes that a step with the whole batch takes on the GPU, by its memory pool; None where the device lacks them."""
    from tinygan.ops.cuda import cublas

    xp, schedule = backend.xp, SCHEDULES[options.schedule]
    cublas.handle(xp)  # whose workspace is the library's
    pool, codes = xp.cuda.MemoryPool(), latent_codes(options, 1, schedule.code_batches)
    try:
        game = build_game(options, backend)
        with xp.cuda.using_allocator(pool.malloc):
            for _ in range(WARM_UPS):
                real = xp.full((options.batch_size, *options.image_size, 3), 0.5, backend.dtype)
                schedule.step(game, real, backend.to_device(codes), xp.zeros((), backend.dtype))
        return pool.total_bytes()
    except MemoryError:  # CuPy's OutOfMemoryError is one
        return None
    finally:
        game = real = None
        xp.cuda.get_current_stream().synchronize()
        pool.free_all_blocks()
