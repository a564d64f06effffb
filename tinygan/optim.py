"""Optimisers on flat vectors: one update of a whole network at once. They use the gradients up: all 0 afterwards."""

import numpy as np

from tinygan.array import Array, array_module, on_gpu
from tinygan.ops.cpu.blocks import for_each_block
from tinygan.ops.cuda.rmsprop import rmsprop
from tinygan.parameters import Parameters
from tinygan.runtime.threads import scratch


class RMSProp:
    """w ← w − lr·g/(√a + ε) with a ← α·a + (1 − α)·g², a starting at 0 (Tieleman & Hinton 2012; notes A3).

    No momentum, no centring, no weight decay. Since a starts at 0, the first step moves every weight by about
    lr/√(1 − α) = 3.16·lr whatever its gradient: what ``--warmup`` is for.
    """

    def __init__(self, parameters: Parameters, decay: float = 0.9, epsilon: float = 1e-6):
        self.decay, self.epsilon = decay, epsilon
        self.average = parameters.zeros_like()

    def update(
        self, parameters: Parameters, grads: Parameters, learning_rate: float, part: slice = slice(None)
    ) -> None:
        """One step, in place; ``grads`` is 0 afterwards. On the GPU the rate may be a 0-d array on the device.

        Args:
            part: of the flat vectors, where others see to the rest.
        """
        vectors = parameters.flat[part], grads.flat[part], self.average.flat[part]
        if on_gpu(parameters.flat):
            rmsprop(*vectors, learning_rate, self.decay, self.epsilon)
        else:
            self._update_on_cores(*vectors, learning_rate)

    def _update_on_cores(self, w: np.ndarray, g: np.ndarray, a: np.ndarray, learning_rate: float) -> None:
        """The same in one pass: each block is read and written once."""

        def work(_: int, block: slice) -> None:
            part, average = scratch(g[block].shape, g.dtype), a[block]
            np.multiply(g[block], g[block], out=part)
            part *= 1 - self.decay
            average *= self.decay
            average += part
            np.sqrt(average, out=part)
            part += self.epsilon
            np.divide(g[block], part, out=part)
            part *= learning_rate
            w[block] -= part
            g[block] = 0

        for_each_block(len(w), 1, work)


def rmsprop_plain(w: Array, g: Array, a: Array, learning_rate: float, decay: float, epsilon: float) -> None:
    """The formulas of :class:`RMSProp`, in place; what its fast versions are tested against."""
    a *= decay
    a += (1 - decay) * g * g
    w -= learning_rate * g / (array_module(a).sqrt(a) + epsilon)
    g[...] = 0


class Adam:
    """w ← w − lr·m̂/(√v̂ + ε), m̂ and v̂ the bias-corrected averages of g and g² (Kingma & Ba 2015, arXiv 1412.6980).

    m ← β₁·m + (1 − β₁)·g, v ← β₂·v + (1 − β₂)·g², m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ) at step t = 1, 2, …
    """

    def __init__(self, parameters: Parameters, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8):
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.mean = parameters.zeros_like()
        self.square = parameters.zeros_like()
        self.steps = 0

    def update(self, parameters: Parameters, grads: Parameters, learning_rate: float) -> None:
        """One step, in place; ``grads`` is 0 afterwards."""
        w, g, m, v = parameters.flat, grads.flat, self.mean.flat, self.square.flat
        self.steps += 1
        m *= self.beta1
        m += (1 - self.beta1) * g
        v *= self.beta2
        v += (1 - self.beta2) * g * g
        m_hat = m / (1 - self.beta1**self.steps)
        v_hat = v / (1 - self.beta2**self.steps)
        w -= learning_rate * m_hat / (array_module(v).sqrt(v_hat) + self.epsilon)
        g[...] = 0
