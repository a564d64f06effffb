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
from tinygan.export.folded import Operation, Shapes
from tinygan.files import write_atomically

OPSET, IR_VERSION = 17, 8  # of 2022, so that runtimes since then can read it
INPUT, BATCH = "x", "N"


def write_network(operations: list[Operation], shapes: Shapes, path: Path, description: dict[str, str]) -> list[Path]:
    """Write ``<path>.onnx``."""
    graph = Graph()
    names = [INPUT]
    for one in channels_first(operations, 1 + len(shapes.x)):
        names.append(graph.append(one, [names[k] for k in one.inputs]))
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [BATCH, *shape[-1:], *shape[:-1]])]
        for name, shape in ((INPUT, shapes.x), (names[-1], shapes.y))
    )
    body = helper.make_graph(graph.nodes, path.name, inputs, outputs, graph.constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    helper.set_model_props(model, description)
    onnx.checker.check_model(model, full_check=True)
    file = path.with_suffix(".onnx")
    write_atomically(file, model.SerializeToString())
    return [file]


class Graph:
    """Nodes and constants of one graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def append(self, one: Operation, inputs: list[str]) -> str:
        """Add what computes ``one``; return the name of its result."""
        arrays = {name: self.constant(array, f"{one.name}.{name}") for name, array in one.arrays.items()}
        return RUN[one.kind](self, *inputs, **arrays, **one.settings)

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

    def padded(self, x: str, border: list[int]) -> str:
        """A border of zeros around every image, taken away where it is negative."""
        return self.node("Pad", x, self.constant([0, 0, *border] * 2))


DOUBLE = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
# Every operation of channelsfirst.py, as nodes of a graph.
RUN = {
    "linear": lambda graph, x, w, b: graph.node("Gemm", x, w, b, transB=1),
    "correlate": lambda graph, x, w, b, stride, pad: graph.node("Conv", x, w, b, strides=stride, pads=pad * 2),
    "correlate_transpose": lambda graph, x, w, b, stride, pad: graph.node(
        "ConvTranspose", x, w, b, strides=stride, pads=pad * 2
    ),
    "reshape": lambda graph, x, shape: graph.node("Reshape", x, graph.constant([0, *shape])),  # 0: as it is
    "permute": lambda graph, x, axes: graph.node("Transpose", x, perm=axes),
    "scale_shift": lambda graph, x, scale, shift: graph.node("Add", graph.node("Mul", x, scale), shift),
    "rectify": lambda graph, x, slope, shift: graph.node(
        "Add", graph.node("PRelu", graph.node("Sub", x, shift), slope), shift
    ),
    "sigmoid": lambda graph, x: graph.node("Sigmoid", x),
    "tanh": lambda graph, x: graph.node("Tanh", x),
    "add": lambda graph, x, y, v1, v2: graph.node("Add", graph.node("Mul", x, v1), graph.node("Mul", y, v2)),
    "average_pool": lambda graph, x: graph.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2]),
    "nearest_double": lambda graph, x: graph.node("Resize", x, "", graph.constant([1.0, 1.0, 2.0, 2.0]), **DOUBLE),
    "pad": Graph.padded,
}
