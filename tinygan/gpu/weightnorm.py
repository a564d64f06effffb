"""Weight normalisation, the formulas of ``layers/weightnorm.py``: u = γ·w/n with n² = k·Σw² + ε per output unit."""

import math

from tinygan.backend import Array, array_module
from tinygan.gpu.launch import Kernels, square_root

_kernels = Kernels("weightnorm")


def normalise_weight(w: Array, axis: int, k: float, epsilon: float, gamma: Array | None = None) -> tuple[Array, Array]:
    """(u, n): w divided by its lengths and multiplied by γ; n and γ (units,), the units being counted by ``axis``."""
    xp = array_module(w)
    _, units, inner = _axes(w, axis)
    sums = _products(w, w, axis)
    length, u = xp.empty(units, w.dtype), xp.empty_like(w)
    _kernels("wn_length", units, sums, units, sums.shape[1], float(k), float(epsilon), length)
    _kernels("wn_divide", w.size, w, length, *_affine(w, gamma), units, inner, w.size, u)
    return u, length


def project_weight_gradient(
    du: Array,
    w: Array,
    length: Array,
    axis: int,
    k: float,
    dw: Array,
    gamma: Array | None = None,
    dgamma: Array | None = None,
) -> None:
    """dw += γ·(du − k·v·s)/n with v = w/n and s = Σ du·v; where there is a γ, dγ += s."""
    xp = array_module(w)
    _, units, inner = _axes(w, axis)
    sums = _products(du, w, axis)
    component = xp.empty(units, w.dtype)
    dgamma = component if dgamma is None else dgamma
    affine = _affine(w, gamma)
    _kernels("wn_component", units, sums, length, units, sums.shape[1], affine[1], component, dgamma)
    _kernels("wn_project", w.size, du, w, length, component, *affine, float(k), units, inner, w.size, dw)


def _products(a: Array, b: Array, axis: int) -> Array:
    """Σ a·b per unit, still in chunks: (units, chunks)."""
    outer, units, inner = _axes(a, axis)
    chunks = square_root(outer * inner)
    sums = array_module(a).empty((units, chunks), a.dtype)
    _kernels("wn_chunk_products", sums.size, a, b, outer, units, inner, chunks, sums)
    return sums


def _axes(w: Array, axis: int) -> tuple[int, int, int]:
    """Number of values before, along and behind ``axis``."""
    return math.prod(w.shape[:axis]), w.shape[axis], math.prod(w.shape[axis + 1 :])


def _affine(w: Array, gamma: Array | None) -> tuple[Array, int]:
    """γ and whether there is one; without it, w stands in as a pointer that is not read."""
    return (w, 0) if gamma is None else (gamma, 1)
