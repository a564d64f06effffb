"""RMSProp on a flat vector, the formula of ``optim.py``, in one sweep."""

from tinygan.array import Array, array_module
from tinygan.ops.cuda.launch import launch


def rmsprop(
    w: Array, g: Array, a: Array, learning_rate: Array | float, decay: float, epsilon: float, bounded: int = 0
) -> None:
    if isinstance(learning_rate, float | int):
        learning_rate = array_module(w).full((), learning_rate, w.dtype)
    numbers = (float(decay), float(1 - decay), float(epsilon))
    # w last: the argument whose type the kernel is compiled for.
    launch("rmsprop", "rmsprop", w.size, g, a, learning_rate, *numbers, bounded, w.size, w)
