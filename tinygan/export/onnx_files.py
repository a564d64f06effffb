"""For ONNX runtimes: one graph for each network, images (N, 3, H, W), with any number N of images."""

from pathlib import Path

import numpy as np

from tinygan.errors import TinyganError
from tinygan.text import how_to_install

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:
    raise TinyganError(f"--to onnx needs the onnx package: {how_to_install('onnx')}") from error

from tinygan.export.channelsfirst import channels_first
from tinygan.export.folded import Operation
from tinygan.files import write_atomically
from tinygan.models.pyramid import Size

OPSET, IR_VERSION = 17, 8  # of 2022, so that runtimes since then can read it
INPUT, BATCH = "x", "N"


def write_network(operations: list[Operation], size: Size, path: Path, description: dict[str, str]) -> list[Path]:
    """Write ``<path>.onnx``."""
    graph = Graph()
    names = [INPUT]
    for one in channels_first(operations):
        names.append(graph.append(one, [names[k] for k in one.inputs]))
    x_shape, y_shape = [BATCH, 3, *size], [BATCH]
    if operations[0].kind == "linear":  # G
        x_shape, y_shape = [BATCH, len(operations[0].arrays["w"])], x_shape
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]
        for name, shape in ((INPUT, x_shape), (names[-1], y_shape))
    )
    body = helper.make_graph(graph.nodes, path.name, inputs, outputs, graph.constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    helper.set_model_props(model, description)
    onnx.checker.check_model(model, full_check=True)
    file = path.with_suffix(".onnx")
    write_atomically(file, model.SerializeToString())
    return [file]


class Graph:
    """Nodes and constants of one graph; every operation of the table in ``folded.py`` is a method."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def append(self, one: Operation, inputs: list[str]) -> str:
        """Add what computes ``one``; return the name of its result."""
        arrays = {name: self.constant(array, f"{one.name}.{name}") for name, array in one.arrays.items()}
        return getattr(self, one.kind)(*inputs, **arrays, **one.settings)

    def constant(self, values: object, name: str = "") -> str:
        """Float arrays stay float32, whole numbers become int64."""
        array = np.asarray(values)
        array = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
        self.constants.append(numpy_helper.from_array(array, name or f"constant{len(self.constants)}"))
        return self.constants[-1].name

    def node(self, kind: str, *inputs: str, **attributes: object) -> str:
        """Add a node of ONNX's operator ``kind``; return the name of its result."""
        self.nodes.append(helper.make_node(kind, inputs, [f"{kind}{len(self.nodes)}"], **attributes))
        return self.nodes[-1].output[0]

    def linear(self, x: str, w: str, b: str) -> str:
        return self.node("Gemm", x, w, b, transB=1)

    def correlate(self, x: str, w: str, b: str, stride: list[int], pad: list[int]) -> str:
        return self.node("Conv", x, w, b, strides=stride, pads=pad * 2)

    def correlate_transpose(self, x: str, w: str, b: str, stride: list[int], pad: list[int]) -> str:
        return self.node("ConvTranspose", x, w, b, strides=stride, pads=pad * 2)

    def reshape(self, x: str, shape: list[int]) -> str:
        return self.node("Reshape", x, self.constant([-1, *shape]))

    def scale_shift(self, x: str, scale: str, shift: str) -> str:
        return self.node("Add", self.node("Mul", x, scale), shift)

    def rectify(self, x: str, slope: str, shift: str) -> str:
        return self.node("Add", self.node("PRelu", self.node("Sub", x, shift), slope), shift)

    def sigmoid(self, x: str) -> str:
        return self.node("Sigmoid", x)

    def tanh(self, x: str) -> str:
        return self.node("Tanh", x)

    def add(self, x: str, y: str, v1: str, v2: str) -> str:
        return self.node("Add", self.node("Mul", x, v1), self.node("Mul", y, v2))

    def average_pool(self, x: str) -> str:
        return self.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])

    def nearest_double(self, x: str) -> str:
        scales = self.constant(np.array([1.0, 1.0, 2.0, 2.0]))
        how = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
        return self.node("Resize", x, "", scales, **how)

    def pad(self, x: str, border: list[int]) -> str:
        return self.node("Pad", x, self.constant([0, 0, *border] * 2))

    def crop(self, x: str, border: list[int]) -> str:
        return self.node("Pad", x, self.constant([0, 0, *(-pixels for pixels in border)] * 2))
