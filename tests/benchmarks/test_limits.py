"""The least work of a step, against the networks themselves."""

import numpy as np

from benchmarks import limits, machine
from benchmarks.contender import Worker
from tinygan.layers import initialise


def test_products_have_the_networks_weights(tiny):
    for norm in ("none", "wn"):
        workload = tiny(norm=norm, size=36)  # a level with an odd half: the larger padding
        for products, network in zip(limits.layers(workload), workload.networks(), strict=True):
            parameters, _ = initialise(network, np.random.default_rng(0))
            assert [p.weights for p in products] == [v.size for name, v in parameters.items() if name.endswith(".w")]


def test_outputs_follow_one_another(tiny):
    workload = tiny()
    G, D = limits.layers(workload)
    for products in (G, D):
        assert [p.outputs for p in products[:-1]] == [p.inputs for p in products[1:]]
    assert G[-1].outputs == D[0].inputs == 4 * 20 * 20 * 3
    assert D[-1].outputs == 4


def test_a_step_counted_by_hand(tiny):
    """In units of one forward pass: shared, G forward and two gradients, D the same for fake and for real."""
    for schedule, passes in (("shared", (3, 6)), ("alternating", (4, 8))):
        workload = tiny(schedule=schedule)
        G, D = (np.array([p.operations for p in products]) for products in limits.layers(workload))
        not_needed = G[0] + D[0] * (1 if schedule == "shared" else 2)  # input gradients of codes, and of images
        expected = passes[0] * G.sum() + passes[1] * D.sum() - not_needed
        assert limits.step_work(workload, 4).operations == expected


def test_batch_norm_needs_a_second_chain_through_the_generated_images(tiny):
    D = limits.layers(tiny())[1]
    more = limits.step_work(tiny(norm="bn"), 4).operations - limits.step_work(tiny(norm="none"), 4).operations
    assert more == sum(p.operations for p in D[1:])


def test_rates_of_this_machine(tiny, monkeypatch):
    monkeypatch.setattr(machine, "PRODUCT_SIZES", {"cpu": 64})
    monkeypatch.setattr(machine, "COPY_BYTES", {"cpu": 2**16})
    measured = Worker("tinygan", tiny()).answer("rates", 0)
    assert measured["flops"] > 1e6
    assert measured["bytes"] > 1e6
