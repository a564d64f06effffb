"""A network that tinygan exported: Network("generator.safetensors")(codes (N, Z)) -> images (N, 3, H, W) in [0, 1]."""

import json

import torch
from safetensors import safe_open
from torch.nn import functional as F


class Network(torch.nn.Module):
    def __init__(self, path: str):
        super().__init__()
        with safe_open(path, "pt") as file:
            self.operations = json.loads(file.metadata()["operations"])
            self.layers = torch.nn.ModuleDict({layer: torch.nn.ParameterDict() for _, layer, *_ in self.operations})
            for layer, name in (key.split(".") for key in file.keys()):  # noqa: SIM118 (not a dict)
                self.layers[layer][name] = file.get_tensor(f"{layer}.{name}")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values = [x]
        for kind, layer, inputs, settings in self.operations:
            values.append(RUN[kind](*(values[k] for k in inputs), **self.layers[layer], **settings))
        return values[-1]


RUN = {
    "linear": lambda x, w, b: F.linear(x, w, b),
    "correlate": lambda x, w, b, stride, pad: F.conv2d(x, w, b, stride, pad),
    "correlate_transpose": lambda x, w, b, stride, pad: F.conv_transpose2d(x, w, b, stride, pad),
    "reshape": lambda x, shape: x.reshape(len(x), *shape),
    "permute": lambda x, axes: x.permute(axes),
    "scale_shift": lambda x, scale, shift: scale * x + shift,
    "rectify": lambda x, slope, shift: torch.where(x >= shift, x, shift + slope * (x - shift)),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "add": lambda x, y, v1, v2: v1 * x + v2 * y,
    "average_pool": lambda x: F.avg_pool2d(x, 2),
    "nearest_double": lambda x: F.interpolate(x, scale_factor=2),
    "pad": lambda x, border: F.pad(x, (border[1], border[1], border[0], border[0])),
}
