"""Operations for images (N, C, H, W), with weights laid out as in PyTorch and ONNX; tinygan's own are (N, H, W, C)."""

import numpy as np

from tinygan.export.folded import Operation

CHANNELS_FIRST = (3, 2, 0, 1)  # (kh, kw, C_in, C_out) -> (C_out, C_in, kh, kw); of a transposed one C_in comes first


def channels_first(operations: list[Operation]) -> list[Operation]:
    """The same operations for images (N, C, H, W): kernels as above, linear weights (C_out, C_in)."""
    following = [*operations[1:], None]
    return [_channels_first(*pair) for pair in zip(operations, following, strict=True)]


def _channels_first(one: Operation, following: Operation | None) -> Operation:
    arrays, settings = dict(one.arrays), dict(one.settings)
    if one.kind == "linear":
        if following is not None and following.kind == "reshape" and len(following.settings["shape"]) == 3:
            arrays = {name: _permuted(array, following.settings["shape"]) for name, array in arrays.items()}
        arrays["w"] = arrays["w"].T
    elif one.kind == "reshape":
        settings["shape"] = settings["shape"][-1:] + settings["shape"][:-1]
    else:
        arrays = {
            name: array if name == "b" else array.transpose(CHANNELS_FIRST) if name == "w" else array.reshape(-1, 1, 1)
            for name, array in arrays.items()
        }
    return one._replace(arrays={name: np.ascontiguousarray(a) for name, a in arrays.items()}, settings=settings)


def _permuted(array: np.ndarray, shape: list[int]) -> np.ndarray:
    """The last axis, which counts a map (h, w, C), in the order (C, h, w)."""
    return np.moveaxis(array.reshape(*array.shape[:-1], *shape), -1, -3).reshape(array.shape)
