"""The slope of a function along a direction, by central differences.

    D(h) = (L(v + h·d) − L(v − h·d)) / 2h   is   Σ d·(gradient of L at v)   up to c·h²

The error c·h² is small, but would fail batch norm of two nearly equal rows; (4·D(h/2) − D(h))/3 is free of it. What
remains is rounding, about 1e-16·|L|/h.
"""

from collections.abc import Callable

from tinygan.array import Array

STEP = 1e-5
STEPS = [STEP / 4**k for k in range(5)]  # each for where a kink is too near for the one before


def directional_derivative(
    output: Callable[[], Array], dy: Array, value: Array, direction: Array, step: float = STEP
) -> tuple[float, float]:
    """The derivative of Σ dy·output() as ``value`` moves along ``direction``, and a doubt that is large near a kink.

    The doubt is how much slope and bend over ±h differ from those over ±h/2. ``value`` is restored to the bit.
    """
    original, middle, slopes, bends = value.copy(), output().copy(), [], []
    for h in (step, step / 2):
        value[...] = original + h * direction
        above = output() - middle
        value[...] = original - h * direction
        below = output() - middle
        slopes.append(float((dy * (above - below)).sum()) / (2 * h))
        bends.append(float((dy * (above + below)).sum()) / (2 * h))
    value[...] = original
    return (4 * slopes[1] - slopes[0]) / 3, abs(slopes[0] - slopes[1]) + abs(bends[0] - 2 * bends[1])
