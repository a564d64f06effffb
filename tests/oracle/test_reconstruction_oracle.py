"""The reconstruction search against the same search in PyTorch, from the same generators and images."""

from pathlib import Path

import numpy as np
import pytest

from tests.oracle.compare import part
from tests.oracle.test_pytorch_oracle import stored
from tests.tiles import patches_only, tiles_wherever_they_fit
from tinygan.device import open_backend
from tinygan.layers import initialise
from tinygan.models.dcgan import generator
from tinygan.models.norms import NORMS
from tinygan.reconstruction import Search, join
from tinygan.rng import rng_for
from tinygan.training.batched_search import reconstruct

IMAGES = 5


WAYS = [(patches_only, 50), (patches_only, 2000), (tiles_wherever_they_fit, 50)]


# All steps of the final test are taken in float64, where 2,000 of them leave no room for a difference; the sharper
# test in float32, with room for rounding, is the shorter one.
@pytest.mark.parametrize(
    ("norm", "precision", "way", "steps"),
    [
        (norm, precision, *way)
        for norm in NORMS
        for precision in ("float64", "float32")
        for way in WAYS
        if precision == "float64" or way[1] == 50 or norm == "wn"
    ],
)
def test_the_losses_are_those_of_pytorch(way, norm, precision, steps):
    values = stored(norm)
    size, code_size = values["reals"].shape[2:4], values["codes"].shape[-1]
    network, backend = generator(size, code_size, 4, norm), open_backend("cpu", precision)
    parameters, buffers = initialise(network, rng_for(0, "overwritten"), backend)
    parameters.load(part(values, "G."))
    buffers.load(part(values, "G_buffers."))
    targets = values["reals"].reshape(-1, *values["reals"].shape[2:])[:IMAGES]
    with way():
        found = join(list(reconstruct(network, targets, code_size, Search(steps), backend, IMAGES))).losses
    with np.load(Path(__file__).with_name("reconstruction.npz"), allow_pickle=False) as file:
        expected = file[f"{norm}.{steps}"]
    # RMSProp's steps have the size of the learning rate however small the gradient: near the minimum rounding decides
    # their signs, and two searches end up to a step apart. So 1 % in float32; float64 has room for far less.
    np.testing.assert_allclose(found, expected, rtol={"float64": 1e-6, "float32": 1e-2}[precision])
