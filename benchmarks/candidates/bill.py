"""The model's time for the candidate's kernels, for ``benchmarks.gpu_bill --candidate implicit``."""

from benchmarks import gpu_model
from benchmarks.candidates.products import Shape
from benchmarks.candidates.tiling import best, parts_cost, tiles_cost
from benchmarks.gpu_model import Assumptions, Cost
from tests.fakecuda import Node
from tinygan.ops.window import Window

PRODUCTS = "correlate", "to_image", "to_kernel"


def cost(node: Node, device: Assumptions) -> Cost:
    """As ``benchmarks.gpu_model.cost``, of the candidate's kernels too."""
    name, _, step = node.name.rpartition("_")
    if node.kind != "kernel" or name not in PRODUCTS:
        return gpu_model.cost(node, device)
    if step == "parts":
        (slots, *tile), parts = node.arrays[0][0], node.numbers[1 if name == "to_kernel" else 2]
        return parts_cost(slots, parts, tile, device)
    of = node.constants
    kernel, stride, pad = ((of[f"{what}_H"], of[f"{what}_W"]) for what in ("KERNEL", "STRIDE", "PAD"))
    shape = Shape((of["HEIGHT"], of["WIDTH"], of["CHANNELS"]), Window(kernel, stride, pad), of["FEATURES"])
    product = shape.product(name, node.numbers[0])
    return tiles_cost(product, best(product), device)
