"""Activations. The rectifiers are one family, a line that bends at the shift b from slope a to slope 1:

    y = x where x ≥ b, else b + a·(x − b)

    ReLU: a = 0, b = 0.   LeakyReLU: a fixed, b = 0.   PReLU: a learned, b = 0.
    TReLU: a = 0, b learned, y = max(x, b).   TPReLU: both learned.

At the bend itself x counts as above it: slope 1.
"""

from tinygan import ops
from tinygan.array import Array, array_module
from tinygan.init import constant
from tinygan.layers.base import Backward, Gradients, Layer

INITIAL_SLOPE = 0.25
LEAKY_SLOPE = 0.2


class TranslatedRectifier(Layer):
    """y = x where x ≥ b, else b + a·(x − b); x and y (..., C), slope a and shift b one per channel or fixed. Keeps x.

    Backward: dx = dy above b and a·dy below; da = Σ dy·(x − b) and db = Σ dy·(1 − a), both over x < b.

    A learned slope is projected to [0, 1] after each update, so that the function stays monotonic and bends the way of
    a rectifier; clamping it in the forward pass instead would kill its gradient at the border (notes B5).

    ``slope`` and ``shift`` are fixed numbers, or None for one learned for each of the ``channels``.
    """

    def __init__(self, slope: float | None, shift: float | None, channels: int | None = None):
        super().__init__()
        self.channels = channels
        if slope is None:
            self.parameter("slope", (channels,), constant(INITIAL_SLOPE), bounded=True)  # type: ignore[arg-type]
        else:
            self.slope = float(slope)
        if shift is None:
            self.parameter("shift", (channels,), constant(0.0))  # type: ignore[arg-type]
        else:
            self.shift = float(shift)

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        self.expect(x, "", self.channels)
        y = ops.rectify(x, self.slope, self.shift)

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            to = {} if grads is None else {name: grads[self.path(name)] for name in self.parameter_specs}
            return ops.rectify_backward(x, dy, self.slope, self.shift, need_dx, (to.get("slope"), to.get("shift")))

        return y, backward


class ReLU(TranslatedRectifier):
    """y = max(x, 0).

    >>> ReLU()(np.array([[-1.0, 2.0]]))[0]
    array([[0., 2.]])
    """

    def __init__(self) -> None:
        super().__init__(0.0, 0.0)


class LeakyReLU(TranslatedRectifier):
    """y = x where x ≥ 0, else slope·x, with a fixed slope in [0, 1).

    >>> LeakyReLU(0.5)(np.array([[-1.0, 2.0]]))[0]
    array([[-0.5,  2. ]])
    """

    def __init__(self, slope: float = LEAKY_SLOPE):
        super().__init__(slope, 0.0)


class PReLU(TranslatedRectifier):
    """y = x where x ≥ 0, else a·x; a starts at 0.25 (He et al. 2015, arXiv 1502.01852)."""

    def __init__(self, channels: int):
        super().__init__(None, 0.0, channels)


class TReLU(TranslatedRectifier):
    """y = max(x, b) = ReLU(x − b) + b; b starts at 0 (paper, definition of TReLU)."""

    def __init__(self, channels: int):
        super().__init__(0.0, None, channels)


class TPReLU(TranslatedRectifier):
    """y = PReLU(x − b) + b; a starts at 0.25, b at 0 (paper, the activation after strict weight norm)."""

    def __init__(self, channels: int):
        super().__init__(None, None, channels)


class Sigmoid(Layer):
    """y = 1/(1 + e⁻ˣ); backward: dx = dy·y·(1 − y). Keeps y.

    >>> Sigmoid()(np.array([[0.0, 1000.0]]))[0]
    array([[0.5, 1. ]])
    """

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        self.expect(x, "")
        y = ops.sigmoid(x)

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            return ops.sigmoid_backward(y, dy) if need_dx else None

        return y, backward


class Tanh(Layer):
    """y = tanh x; backward: dx = dy·(1 − y²). Keeps y."""

    def __call__(self, x: Array, training: bool = False) -> tuple[Array, Backward]:
        self.expect(x, "")
        y = array_module(x).tanh(x)

        def backward(dy: Array, grads: Gradients | None = None, need_dx: bool = True) -> Array | None:
            return dy * (1 - y * y) if need_dx else None

        return y, backward
