"""Operations for images (N, C, H, W), with weights laid out as in PyTorch and ONNX; tinygan's own are (N, H, W, C)."""

import numpy as np

from tinygan.export.folded import Operation

CHANNELS_FIRST = (3, 2, 0, 1)  # (kh, kw, C_in, C_out) -> (C_out, C_in, kh, kw); of a transposed one C_in comes first


def channels_first(operations: list[Operation], rank: int) -> list[Operation]:
    """The same operations for images (N, C, H, W); ``rank`` is the number of axes of the network's input, with N.

    Kernels are laid out as above, linear weights (C_out, C_in). A reshape counts values with the channels last, so they
    are moved there before it and back after it, by operations ``permute`` with the setting ``axes``. A crop becomes a
    pad with a negative border.
    """
    converted: list[Operation] = []
    numbers, ranks = [0], [rank]  # of each of tinygan's values: its number in the new list, and its axes

    def add(one: Operation, *inputs: int) -> int:
        converted.append(one._replace(inputs=inputs))
        return len(converted)

    for one in operations:
        inputs, axes = [numbers[k] for k in one.inputs], ranks[one.inputs[0]]
        if one.kind == "reshape":
            if axes > 2:
                inputs = [add(_permute(one, [0, *range(2, axes), 1]), *inputs)]
            number, axes = add(one, *inputs), 1 + len(one.settings["shape"])
            if axes > 2:
                number = add(_permute(one, [0, axes - 1, *range(1, axes - 1)]), number)
        else:
            number = add(_converted(one, axes), *inputs)
        numbers.append(number)
        ranks.append(axes)
    return converted


def _permute(one: Operation, axes: list[int]) -> Operation:
    return one._replace(kind="permute", settings={"axes": axes})


def _converted(one: Operation, rank: int) -> Operation:
    def array_of(name: str, array: np.ndarray) -> np.ndarray:
        if name == "w":
            return array.T if one.kind == "linear" else array.transpose(CHANNELS_FIRST)
        return array if name == "b" else array.reshape(-1, *[1] * (rank - 2))

    if one.kind == "crop":
        one = one._replace(kind="pad", settings={"border": [-pixels for pixels in one.settings["border"]]})
    return one._replace(arrays={name: np.ascontiguousarray(array_of(name, a)) for name, a in one.arrays.items()})
