"""The step's bill: every operation of the device is on it, and the model answers to its assumptions."""

from importlib import resources

import pytest

from benchmarks import gpu_bill
from benchmarks.gpu_model import BY_NODE, KERNELS, Assumptions, cost
from tests.fakecuda import Node
from tests.gpu import emulator
from tinygan.ops.cuda import launch


def total(tiny, **assumptions):
    rows = gpu_bill.bill(gpu_bill.operations(tiny(device="gpu", precision="tf32")), Assumptions(**assumptions))
    return gpu_bill.total(rows)


def test_the_bill_has_every_operation_in_its_order(tiny):
    nodes = gpu_bill.operations(tiny(device="gpu", precision="tf32"))
    assert (nodes[0].name, nodes[-1].name) == ("gather_images", "record_losses")
    products = [node for node in nodes if node.kind == "gemm"]
    # G's and D's three layers: forward, input gradient, weight gradient; the codes have no gradient.
    assert len(products) == 2 * 3 * 3 - 1
    rows = gpu_bill.bill(nodes, Assumptions())
    assert sum(row.nodes for row in rows) == len(nodes)
    assert gpu_bill.total(rows).operations == sum(2 * m * n * k for m, n, k in (node.numbers for node in products))


# (workload, most nodes, most µs): what the kernels were changed for. A step that costs more has to say why.
LIMITS = {
    "wn": ({"size": 32, "norm": "wn"}, 90, 365),
    "alternating": ({"size": 32, "norm": "wn", "schedule": "alternating"}, 133, 515),
    "bn": ({"size": 32, "norm": "bn"}, 200, 675),
    "none": ({"size": 32, "norm": "none"}, 83, 340),
    "large": ({"size": 160, "norm": "wn", "code_size": 256}, 136, 4_900),
}


@pytest.mark.parametrize(("changes", "nodes", "microseconds"), LIMITS.values(), ids=LIMITS.keys())
def test_the_step_has_not_become_dearer(tiny, changes, nodes, microseconds):
    usual = {"device": "gpu", "precision": "tf32", "batch": 32, "code_size": 128, "features": 64}
    rows = gpu_bill.bill(gpu_bill.operations(tiny(**usual | changes)), Assumptions())
    assert gpu_bill.total(rows).nodes <= nodes
    assert 1e6 * gpu_bill.total(rows).seconds <= microseconds


def test_each_assumption_counts(tiny):
    one = total(tiny).seconds
    for name, value in (("floor", 3e-6), ("l2_latency", 1e-6), ("l2_bandwidth", 1e9), ("instructions", 1e10)):
        assert total(tiny, **{name: value}).seconds > one
    assert total(tiny, floor=3e-6).seconds == pytest.approx(one + 1e-6 * total(tiny).nodes)


def test_there_is_a_model_of_every_kernel():
    kernels = set()
    for file in resources.files("tinygan.ops.cuda").iterdir():
        if file.name.endswith(".cu"):
            kernels |= set(emulator.signatures(launch.source(file.name.removesuffix(".cu"))))
    assert set(KERNELS) | set(BY_NODE) == kernels


def test_a_product_takes_at_least_its_operations_and_bytes():
    def seconds(m, n, k):
        arrays = tuple((shape, 4 * shape[0] * shape[1]) for shape in ((m, k), (k, n), (m, n)))
        return cost(Node("gemm", "", None, arrays, (m, n, k)), Assumptions()).seconds

    assert seconds(4096, 4096, 4096) > 2 * 4096**3 / (132 * 2.6e12)
    assert seconds(64, 64, 100_000) < seconds(64, 64, 1_000_000)
    assert seconds(1, 4096, 4096) == pytest.approx(2e-6 + 4 * (4096**2 + 2 * 4096) / 5e12)


def test_the_command(capsys):
    gpu_bill.main(["--size", "16", "--batch", "2", "--features", "4", "--nodes"])
    out = capsys.readouterr().out
    assert "2×16×16×3" in out
    assert out.splitlines()[-1].startswith("all ")
