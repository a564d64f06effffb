"""tinygan's side of the comparison with ``make_pytorch_oracle.py``: the same quantities under the same names."""

import numpy as np

from tinygan.device import open_backend
from tinygan.layers import Sequential
from tinygan.layers.base import Backward
from tinygan.losses import binary_cross_entropy
from tinygan.models import dcgan, resnet
from tinygan.parameters import Parameters
from tinygan.rng import rng_for
from tinygan.training.player import Player

# Relative to the largest element of each array. Sums of thousands of products round to some 1e-14 (float64) or 1e-5
# (float32) of it, in another order in either library; a wrong constant, such as ε = 1e-5 for 1e-6, shows at 1e-6.
TOLERANCES = {"float64": 1e-9, "float32": 1e-4}


def part(values: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names begin with ``prefix``, without it."""
    return {name.removeprefix(prefix): array for name, array in values.items() if name.startswith(prefix)}


def players(values: dict[str, np.ndarray], norm: str, precision: str) -> tuple[Player, Player]:
    """G and D in the sizes and with the parameters and running statistics of the oracle."""
    size, code_size = values["reals"].shape[2:4], values["codes"].shape[-1]
    if "blocks" in values:
        levels = [values[name].tolist() for name in ("features", "blocks")]
        networks = resnet.generator(size, code_size, *levels, norm), resnet.discriminator(size, *levels, norm)
    else:
        features = values["D.down0.w"].shape[-1]
        networks = dcgan.generator(size, code_size, features, norm), dcgan.discriminator(size, features, norm)
    result = []
    for which, network in zip("GD", networks, strict=True):
        player = Player(network, rng_for(0, "overwritten"), open_backend("cpu", precision))
        player.parameters.load(part(values, f"{which}."))
        player.buffers.load(part(values, f"{which}_buffers."))
        result.append(player)
    return tuple(result)


def batches(values: dict[str, np.ndarray], precision: str) -> tuple[np.ndarray, np.ndarray]:
    """Codes (steps, 2, N, Z) and real images (steps, N, H, W, 3)."""
    return values["codes"].astype(precision), (values["reals"] / 255).astype(precision)


def traced(network: Sequential, x: np.ndarray) -> tuple[dict[str, np.ndarray], Backward]:
    """A training pass, layer by layer: the output after each by name, and the whole network's backward pass."""
    outputs, backwards = {}, []
    for name, layer in network.children.items():
        x, backward = layer(x, training=True)
        outputs[name] = x
        backwards.append(backward)

    def backward_through(dy: np.ndarray, grads: Parameters | None = None) -> np.ndarray:
        for backward in reversed(backwards):
            dy = backward(dy, grads)
        return dy

    return outputs, backward_through


def first_step(values: dict[str, np.ndarray], norm: str, precision: str) -> dict[str, np.ndarray]:
    """Everything that the oracle computes at its initial parameters."""
    G, D = players(values, norm, precision)
    codes, reals = batches(values, precision)
    fake, G_backward = traced(G.network, codes[0, 0])
    on_real, real_backward = traced(D.network, reals[0])
    on_fake, fake_backward = traced(D.network, fake["sigmoid"])
    d_real, real_dlogits = binary_cross_entropy(on_real["logit"], 1)
    d_fake, fake_dlogits = binary_cross_entropy(on_fake["logit"], 0)
    g, g_dlogits = binary_cross_entropy(on_fake["logit"], 1)
    real_backward(real_dlogits, D.gradients)
    fake_backward(fake_dlogits, D.gradients)
    G_backward(fake_backward(g_dlogits), G.gradients)
    arrays = {
        "G_activations": fake,
        "D_activations_real": on_real,
        "D_activations_fake": on_fake,
        "G_grads": G.gradients,
        "D_grads": D.gradients,
        "G_buffers_after": G.buffers,
        "D_buffers_after": D.buffers,
    }
    flat = {f"{prefix}.{name}": array for prefix, named in arrays.items() for name, array in named.items()}
    return flat | {"losses": np.array([d_real, d_fake, g]), "fake_evaluated": G.network(codes[0, 0])[0]}


def sides_of_kinks(arrays: dict[str, np.ndarray], values: dict[str, np.ndarray]) -> np.ndarray:
    """For every input of every rectifier in ``arrays``, a result of ``first_step``: is it above the kink?"""
    sides, previous = [], None
    for name, array in arrays.items():
        prefix, _, layer = name.partition("_activations")
        if name.endswith("_act"):
            shift = values.get(f"{prefix}.{layer.partition('.')[2]}.shift", np.zeros(1)).astype(array.dtype)
            sides.append((arrays[previous] >= shift).ravel())
        previous = name
    return np.concatenate(sides)


def errors(actual: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> dict[str, float]:
    """Largest difference of each of ``actual``'s arrays, relative to the largest element of the expected one.

    The bias of a convolution in front of batch norm has gradient 0, so both sides hold rounding only; the yardstick
    is then the gradient of that layer's weight. (G's linear layer has a bias per pixel, which batch norm keeps.)
    """
    result = {}
    for name, array in actual.items():
        assert array.shape == expected[name].shape, name
        layer = name.removesuffix(".b")
        cancelled = layer != name and f"{layer}_norm.scale" in expected and not layer.endswith(".linear")
        yardstick = expected[f"{layer}.w"] if cancelled else expected[name]
        result[name] = float(np.abs(array - expected[name]).max() / np.abs(yardstick).max())
    return result


def assert_agrees(actual: dict[str, np.ndarray], expected: dict[str, np.ndarray], precision: str) -> None:
    """Every array within ``TOLERANCES``; the message lists those that are not, in the order of computation."""
    wrong = {name: error for name, error in errors(actual, expected).items() if not error <= TOLERANCES[precision]}
    assert not wrong, f"relative errors above {TOLERANCES[precision]}: {wrong}"
