"""The same networks and training steps in PyTorch, written from the formulas and sharing no code with tinygan.

Autograd does every backward pass. Arrays have tinygan's names and layouts (images (N, H, W, C), kernels (kh, kw, in,
out), transposed kernels (kh, kw, out, in)) and are permuted where PyTorch wants them otherwise, so that the gradients
come out in tinygan's layout too. ``benchmarks`` times the same networks.

To make ``pytorch_<norm>.npz`` anew, beside this file, with PyTorch 2.13 on the CPU::

    python tests/oracle/make_pytorch_oracle.py

The same version of PyTorch on the same kind of processor writes the same bytes. Every file holds, by prefix,

    G., D., G_buffers., D_buffers.             initial parameters and running statistics
    codes, reals                               (steps, 2, batch, code) and (steps, batch, H, W, 3) in 1/255
    G_activations., D_activations_real., D_activations_fake.     after each named layer, at the first step
    losses                                     d_real, d_fake, g at the initial parameters
    G_grads., D_grads.                         of g through D; of d_real + d_fake
    G_buffers_after., D_buffers_after.         running statistics after those passes: one of G, real then fake of D
    fake_evaluated                             G's images of the same codes with those statistics
    alternating, shared                        ten steps of (d_real, d_fake, g)
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

NORMS = ("none", "bn", "wn", "wn-affine")
SIZE, CODE, FEATURES, BATCH, STEPS = (12, 18), 5, 4, 3, 10  # two levels; the width needs the extra padding
LEARNING_RATE = 1e-3

Tensors = dict[str, torch.Tensor]


def levels_of(size: tuple[int, int]) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Paddings from the image inwards, and the size of the last map: notes A2, one axis at a time."""
    count, side = 0, max(size)
    while side >= 8:
        side, count = -(-side // 2), count + 1
    pads, ends = [], []
    for side in size:
        column = []
        for level in range(count):
            extra = 1 if side % 4 == 2 and level + 1 < count else 0
            column.append(1 + extra)
            side = (side + 2 * extra) // 2
        pads.append(column)
        ends.append(side)
    return list(zip(*pads, strict=True)), tuple(ends)


def random_network(which: str, norm: str, size, code: int, features: int, rng) -> tuple[dict, dict]:
    """Random parameters and running statistics of "G" or "D", by tinygan's names, in the order of the layers."""
    pads, (h, w) = levels_of(size)
    n, weights = len(pads), {}
    if which == "G":
        weights["linear"] = ((code, h * w * features * 2 ** (n - 1)), code, features * 2 ** (n - 1))
        for level in reversed(range(n)):
            c_in, c_out = features * 2**level, features * 2 ** (level - 1) if level else 3
            weights[f"up{level}"] = ((4, 4, c_out, c_in), 4 * c_in, c_out)  # four of 16 taps meet in one pixel
    else:
        for level in range(n):
            c_in, c_out = features * 2 ** (level - 1) if level else 3, features * 2**level
            weights[f"down{level}"] = ((4, 4, c_in, c_out), 16 * c_in, c_out)
        weights["last"] = ((h, w, features * 2 ** (n - 1), 1), h * w * features * 2 ** (n - 1), 1)

    arrays, buffers = {}, {}
    final = "up0" if which == "G" else "last"
    for name, (shape, taps, channels) in weights.items():
        outputs = shape[1] if name == "linear" else channels
        arrays[f"{name}.w"] = rng.normal(0, 1.5 / np.sqrt(taps), shape)
        if norm in ("none", "bn"):
            arrays[f"{name}.b"] = rng.normal(0, 0.3, outputs)
        elif norm == "wn-affine" or name == final:
            arrays[f"{name}.scale"] = rng.uniform(0.3, 1.5, outputs) * rng.choice([-1, 1], outputs)
            arrays[f"{name}.bias"] = rng.normal(0, 0.3, outputs)
        if name == final:
            continue
        if norm == "bn" and name != "down0":
            arrays[f"{name}_norm.scale"] = rng.uniform(0.3, 1.5, channels) * rng.choice([-1, 1], channels)
            arrays[f"{name}_norm.shift"] = rng.normal(0, 0.3, channels)
            buffers[f"{name}_norm.running_mean"] = rng.normal(0, 0.5, channels)
            buffers[f"{name}_norm.running_var"] = rng.uniform(0.5, 2.0, channels)
        # Two slopes start at the ends of [0, 1], where the clamp after each step acts.
        arrays[f"{name}_act.slope"] = np.array([0.0, 1.0, *rng.uniform(0, 1, channels - 2)])
        if norm == "wn":
            arrays[f"{name}_act.shift"] = rng.normal(0, 0.3, channels)
    return arrays, buffers


def tensors(
    arrays: dict[str, np.ndarray], dtype=torch.float64, trained=False, layout=torch.contiguous_format, device="cpu"
) -> Tensors:
    """Tensors of the same names and axes; in memory, weights lie as PyTorch has them, kernels in its ``layout``."""

    def tensor(array: np.ndarray) -> torch.Tensor:
        value = torch.tensor(array, dtype=dtype, device=device)
        if value.ndim == 4:
            value = value.permute(3, 2, 0, 1).contiguous(memory_format=layout).permute(2, 3, 1, 0)
        elif value.ndim == 2:
            value = value.T.contiguous().T
        return value.requires_grad_(trained)

    return {name: tensor(array) for name, array in arrays.items()}


def normalised_weight(w, name: str):
    """w/√(k·Σw² + 1e-6) per output channel, in tinygan's axes; k = 1, or 1/4 where a transposed kernel has stride 2."""
    kind = name.rstrip("0123456789")
    axes = {"linear": (0,), "up": (0, 1, 3)}.get(kind, (0, 1, 2))
    return w / torch.sqrt((1 / 4 if kind == "up" else 1) * (w**2).sum(axes, keepdim=True) + 1e-6)


def effective(p: Tensors, norm: str) -> Tensors:
    """What the layers multiply by and add: weights normalised and scaled, every offset as ``b``, the rest as it is."""
    result = {}
    for name, value in p.items():
        layer, _, kind = name.rpartition(".")
        if kind == "w" and norm in ("wn", "wn-affine"):
            value = normalised_weight(value, layer)
            if f"{layer}.scale" in p:
                value = value * (p[f"{layer}.scale"][:, None] if layer.startswith("up") else p[f"{layer}.scale"])
        if kind == "bias":
            name = f"{layer}.b"
        if kind != "scale" or layer.endswith("_norm"):
            result[name] = value
    return result


def weighted(x, p: Tensors, name: str, stride: int, pad: tuple[int, int]):
    """A linear, convolution or transposed convolution layer with :func:`effective` parameters; images (N, C, H, W)."""
    w, b = p[f"{name}.w"], p.get(f"{name}.b")
    if name == "linear":
        return F.linear(x, w.T, b)
    convolve = F.conv_transpose2d if name.startswith("up") else F.conv2d
    return convolve(x, w.permute(3, 2, 0, 1), b, stride=stride, padding=pad)


def normalised_and_activated(x, p: Tensors, buffers: Tensors, name: str, training: bool, trace: Tensors | None):
    if f"{name}_norm.scale" in p:
        mean, var = buffers[f"{name}_norm.running_mean"], buffers[f"{name}_norm.running_var"]
        scale, shift = p[f"{name}_norm.scale"], p[f"{name}_norm.shift"]
        x = F.batch_norm(x, mean, var, scale, shift, training, momentum=0.1, eps=1e-5)
        keep(trace, f"{name}_norm", x)
    slope, b = p[f"{name}_act.slope"], p.get(f"{name}_act.shift")
    if b is None:
        x = F.prelu(x, slope)
    else:
        b = b.view(1, -1, 1, 1)
        x = F.prelu(x - b, slope) + b
    keep(trace, f"{name}_act", x)
    return x


def keep(trace: Tensors | None, name: str, x) -> None:
    if trace is not None:
        trace[name] = x


def generator(codes, p: Tensors, buffers: Tensors, size, training: bool = True, trace: Tensors | None = None):
    """Images (N, 3, H, W) by :func:`effective` parameters; ``trace`` gets the activations by tinygan's names."""
    pads, (h, w) = levels_of(size)
    x = weighted(codes, p, "linear", 1, (0, 0))
    keep(trace, "linear", x)
    x = x.reshape(len(x), h, w, -1).permute(0, 3, 1, 2)
    if (
        p["up0.w"].permute(3, 2, 0, 1).is_contiguous()
    ):  # else channels last, as it is: layers follow their input's layout
        x = x.contiguous()
    keep(trace, "reshape", x)
    x = normalised_and_activated(x, p, buffers, "linear", training, trace)
    for level in reversed(range(len(pads))):
        x = weighted(x, p, f"up{level}", 2, pads[level])
        keep(trace, f"up{level}", x)
        if level:
            x = normalised_and_activated(x, p, buffers, f"up{level}", training, trace)
    x = torch.sigmoid(x)
    keep(trace, "sigmoid", x)
    return x


def discriminator(x, p: Tensors, buffers: Tensors, size, training: bool = True, trace: Tensors | None = None):
    """Logits (N,) of images (N, 3, H, W) by :func:`effective` parameters; ``trace`` as above."""
    pads, _ = levels_of(size)
    for level, pad in enumerate(pads):
        x = weighted(x, p, f"down{level}", 2, pad)
        keep(trace, f"down{level}", x)
        x = normalised_and_activated(x, p, buffers, f"down{level}", training, trace)
    x = weighted(x, p, "last", 1, (0, 0))
    keep(trace, "last", x)
    x = x.reshape(-1)
    keep(trace, "logit", x)
    return x


def entropy(logits, target: float):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def nchw(reals: np.ndarray, dtype=torch.float64):
    return torch.tensor(reals, dtype=dtype).permute(0, 3, 1, 2)


def nhwc(x) -> np.ndarray:
    """Host copy with channels last; what has no four axes stays as it is."""
    return (x.permute(0, 2, 3, 1) if x.ndim == 4 else x).detach().numpy().copy()


class Networks(NamedTuple):
    """An architecture: f(x, effective parameters, running statistics, size, training, trace) for G and for D."""

    generator: Callable
    discriminator: Callable
    effective: Callable  # (parameters, norm) -> what the layers multiply by and add


DCGAN = Networks(generator, discriminator, effective)


def first_step(
    norm: str,
    size,
    codes,
    reals,
    G: Tensors,
    G_buffers: Tensors,
    D: Tensors,
    D_buffers: Tensors,
    networks: Networks = DCGAN,
) -> dict:
    """Activations, losses and all gradients at the given parameters; moves the running statistics."""
    generator, discriminator, effective = networks
    G_trace, real_trace, fake_trace = {}, {}, {}
    judging = effective(D, norm)
    fake = generator(codes, effective(G, norm), G_buffers, size, trace=G_trace)
    logits_real = discriminator(reals, judging, D_buffers, size, trace=real_trace)
    logits_fake = discriminator(fake, judging, D_buffers, size, trace=fake_trace)
    d_real, d_fake, g = entropy(logits_real, 1.0), entropy(logits_fake, 0.0), entropy(logits_fake, 1.0)
    D_grads = torch.autograd.grad(d_real + d_fake, list(D.values()), retain_graph=True)
    G_grads = torch.autograd.grad(g, list(G.values()))
    return {
        "losses": np.array([loss.item() for loss in (d_real, d_fake, g)]),
        **{f"G_activations.{name}": nhwc(x) for name, x in G_trace.items()},
        **{f"D_activations_real.{name}": nhwc(x) for name, x in real_trace.items()},
        **{f"D_activations_fake.{name}": nhwc(x) for name, x in fake_trace.items()},
        **{f"G_grads.{name}": x.numpy() for name, x in zip(G, G_grads, strict=True)},
        **{f"D_grads.{name}": x.numpy() for name, x in zip(D, D_grads, strict=True)},
        **{f"G_buffers_after.{name}": x.numpy().copy() for name, x in G_buffers.items()},
        **{f"D_buffers_after.{name}": x.numpy().copy() for name, x in D_buffers.items()},
    }


def training_losses(
    norm: str, size, schedule: str, codes, reals, G, G_buffers, D, D_buffers, networks: Networks = DCGAN
) -> np.ndarray:
    """(d_real, d_fake, g) of every step; one step per element of ``codes`` and ``reals``."""
    generator, discriminator, effective = networks
    optimisers = [torch.optim.RMSprop(net.values(), lr=LEARNING_RATE, alpha=0.9, eps=1e-6) for net in (G, D)]

    def step(network: Tensors, gradients) -> None:
        for parameter, gradient in zip(network.values(), gradients, strict=True):
            parameter.grad = gradient
        optimisers[0 if network is G else 1].step()
        with torch.no_grad():
            for name, parameter in network.items():
                if name.endswith(".slope"):
                    parameter.clamp_(0, 1)

    losses = []
    for code_pair, real in zip(codes, reals, strict=True):
        fake = generator(code_pair[0], effective(G, norm), G_buffers, size)
        d_real = entropy(discriminator(real, effective(D, norm), D_buffers, size), 1.0)
        judged = fake if schedule == "shared" else fake.detach()
        logits = discriminator(judged, effective(D, norm), D_buffers, size)
        d_fake = entropy(logits, 0.0)
        D_grads = torch.autograd.grad(d_real + d_fake, list(D.values()), retain_graph=schedule == "shared")
        if schedule == "alternating":
            step(D, D_grads)
            fake = generator(code_pair[1], effective(G, norm), G_buffers, size)
            logits = discriminator(fake, effective(D, norm), D_buffers, size)
        g = entropy(logits, 1.0)
        step(G, torch.autograd.grad(g, list(G.values())))
        if schedule == "shared":
            step(D, D_grads)
        losses.append([d_real.item(), d_fake.item(), g.item()])
    return np.array(losses)


def oracle(norm: str) -> dict[str, np.ndarray]:
    """Everything that ``pytorch_<norm>.npz`` holds."""
    rng = np.random.default_rng(NORMS.index(norm))
    arrays = {which: random_network(which, norm, SIZE, CODE, FEATURES, rng) for which in "GD"}
    return results(norm, SIZE, CODE, (BATCH, STEPS), arrays, DCGAN, rng)


def results(
    norm: str, size, code: int, counts: tuple[int, int], arrays: dict, networks: Networks, rng
) -> dict[str, np.ndarray]:
    """What a file holds, for the parameters and running statistics in ``arrays``; ``counts`` are batch and steps."""
    (G, G_buffers), (D, D_buffers) = arrays["G"], arrays["D"]
    batch, steps = counts
    codes = rng.standard_normal((steps, 2, batch, code))
    reals = rng.integers(0, 256, (steps, batch, *size, 3), dtype=np.uint8)
    given = {"G": G, "G_buffers": G_buffers, "D": D, "D_buffers": D_buffers}
    values = {f"{kind}.{name}": array for kind, arrays in given.items() for name, array in arrays.items()}
    code_batches, real_batches = torch.tensor(codes), [nchw(real / 255) for real in reals]

    def fresh() -> list[Tensors]:
        return [tensors(G, trained=True), tensors(G_buffers), tensors(D, trained=True), tensors(D_buffers)]

    state = fresh()
    values |= first_step(norm, size, code_batches[0, 0], real_batches[0], *state, networks)
    evaluated = networks.generator(
        code_batches[0, 0], networks.effective(state[0], norm), state[1], size, training=False
    )
    for schedule in ("alternating", "shared"):
        values[schedule] = training_losses(norm, size, schedule, code_batches, real_batches, *fresh(), networks)
    return values | {"codes": codes, "reals": reals, "fake_evaluated": nhwc(evaluated)}


def main() -> None:
    torch.set_num_threads(1)  # sums in one order, whatever the machine
    torch.use_deterministic_algorithms(True)
    for norm in NORMS:
        path = Path(__file__).with_name(f"pytorch_{norm}.npz")
        np.savez_compressed(path, **oracle(norm))
        print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB, PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
