"""σ(x) = 1/(1 + e⁻ˣ)."""

from tinygan.array import Array, array_module
from tinygan.ops.cuda.launch import launch


def sigmoid(x: Array) -> Array:
    y = array_module(x).empty_like(x)
    launch("sigmoid", "sigmoid_forward", x.size, x, x.size, y)
    return y


def sigmoid_backward(y: Array, dy: Array) -> Array:
    dx = array_module(y).empty_like(y)
    launch("sigmoid", "sigmoid_backward", y.size, y, dy, y.size, dx)
    return dx
