"""Optimisers on flat vectors: one update of a whole network at once. ``update`` also zeroes the gradients."""

from tinygan import ops
from tinygan.array import Array, array_module
from tinygan.parameters import Parameters


class RMSProp:
    """w ← w − lr·g/(√a + ε) with a ← decay·a + (1 − decay)·g², a starting at 0 (Tieleman & Hinton 2012; notes A3).

    No momentum, no centring, no weight decay. Since a starts at 0, the first step moves every weight by about
    lr/√(1 − decay) = 3.16·lr whatever its gradient: what ``--warmup`` is for.

    >>> w, g = (Parameters({"w": (2,)}, open_backend("cpu", "float64")) for _ in "wg")
    >>> g.flat[:] = 5.0, -0.001
    >>> RMSProp(w).update(w, g, learning_rate=0.01)
    >>> w.flat.round(4)
    array([-0.0316,  0.0315])
    """

    def __init__(self, parameters: Parameters, decay: float = 0.9, epsilon: float = 1e-6):
        self.decay, self.epsilon = decay, epsilon
        self.average = parameters.zeros_like()

    def update(
        self, parameters: Parameters, grads: Parameters, learning_rate: Array | float, part: slice = slice(None)
    ) -> None:
        """One step, in place, bounded parameters clipped; ``grads`` is 0 afterwards. The rate may be a 0-d GPU array.

        ``part`` of the flat vectors is updated; other processes update the rest.
        """
        vectors = parameters.flat[part], grads.flat[part], self.average.flat[part]
        bounded = len(range(parameters.bounded_size)[part])
        ops.rmsprop(*vectors, learning_rate, self.decay, self.epsilon, bounded)


class Adam:
    """w ← w − lr·m̂/(√v̂ + ε), m̂ and v̂ the bias-corrected averages of g and g² (Kingma & Ba 2015, arXiv 1412.6980).

    m ← β₁·m + (1 − β₁)·g, v ← β₂·v + (1 − β₂)·g², m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ) at step t = 1, 2, …
    """

    def __init__(self, parameters: Parameters, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8):
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.mean = parameters.zeros_like()
        self.square = parameters.zeros_like()
        self.steps = 0

    def update(
        self, parameters: Parameters, grads: Parameters, learning_rate: float, part: slice = slice(None)
    ) -> None:
        """As :meth:`RMSProp.update`."""
        w, g, m, v = (store.flat[part] for store in (parameters, grads, self.mean, self.square))
        self.steps += 1
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * g * g
        m_hat = m / (1 - self.beta1**self.steps)
        v_hat = v / (1 - self.beta2**self.steps)
        w -= learning_rate * m_hat / (array_module(v).sqrt(v_hat) + self.epsilon)
        bounded = w[: len(range(parameters.bounded_size)[part])]
        array_module(w).clip(bounded, 0, 1, out=bounded)
        g[...] = 0
