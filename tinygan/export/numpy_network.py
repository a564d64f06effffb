"""A network that tinygan exported, in NumPy alone, without tinygan: ``Network("generator.npz")(codes)``.

Codes (N, Z) -> images (N, H, W, 3) in [0, 1]; the discriminator's: images -> logits (N,), positive for "real". Every
operation is its formula, to be read and translated.
"""

import json

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Array = np.ndarray
Pair = tuple[int, int]  # (vertical, horizontal)


class Network:
    """Runs the operations that the file lists."""

    def __init__(self, path: str):
        with np.load(path) as file:
            self.operations = json.loads(str(file["operations"]))
            self.arrays: dict[str, dict[str, Array]] = {}
            for key in file.files:
                layer, _, name = key.partition(".")
                self.arrays.setdefault(layer, {})[name] = file[key]

    def __call__(self, x: Array) -> Array:
        values = [x]
        for kind, layer, inputs, settings in self.operations:
            arrays = self.arrays.get(layer, {})
            values.append(RUN[kind](*(values[k] for k in inputs), **arrays, **settings))
        return values[-1]


def correlate(x: Array, w: Array, b: Array, stride: Pair, pad: Pair) -> Array:
    """x (N, H, W, C), w (kh, kw, C, K): the dot product of every patch with every kernel."""
    patches = sliding_window_view(padded(x, pad), w.shape[:2], (1, 2))[:, :: stride[0], :: stride[1]]
    return np.tensordot(patches, w, ((3, 4, 5), (2, 0, 1))) + b


def correlate_transpose(x: Array, w: Array, b: Array, stride: Pair, pad: Pair) -> Array:
    """x (N, H, W, K), w (kh, kw, C, K): every pixel paints its kernel, scaled, into the result; then pad is cut off."""
    (N, H, W, _), (kh, kw, C, _) = x.shape, w.shape
    y = np.zeros((N, (H - 1) * stride[0] + kh, (W - 1) * stride[1] + kw, C), x.dtype)
    for u in range(kh):
        for v in range(kw):
            y[:, u : u + H * stride[0] : stride[0], v : v + W * stride[1] : stride[1]][:, :H, :W] += x @ w[u, v].T
    return cropped(y, pad) + b


def padded(x: Array, border: Pair) -> Array:
    """A border of zeros around every image."""
    return np.pad(x, ((0, 0), (border[0],) * 2, (border[1],) * 2, (0, 0)))


def cropped(x: Array, border: Pair) -> Array:
    """Every image without its border."""
    return x[:, border[0] : x.shape[1] - border[0], border[1] : x.shape[2] - border[1]]


RUN = {
    "linear": lambda x, w, b: x @ w + b,
    "correlate": correlate,
    "correlate_transpose": correlate_transpose,
    "reshape": lambda x, shape: x.reshape(len(x), *shape),
    "scale_shift": lambda x, scale, shift: scale * x + shift,
    "rectify": lambda x, slope, shift: np.where(x >= shift, x, shift + slope * (x - shift)),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "add": lambda x, y, v1, v2: v1 * x + v2 * y,
    "average_pool": lambda x: x.reshape(len(x), x.shape[1] // 2, 2, x.shape[2] // 2, 2, -1).mean((2, 4)),
    "nearest_double": lambda x: x.repeat(2, 1).repeat(2, 2),
    "pad": padded,
    "crop": cropped,
}
