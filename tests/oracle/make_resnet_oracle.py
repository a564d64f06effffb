"""The residual networks in PyTorch, written from the formulas and sharing no code with tinygan.

To make ``resnet_<norm>.npz`` anew, beside this file, with PyTorch 2.13 on the CPU::

    python -m tests.oracle.make_resnet_oracle

The files hold what ``make_pytorch_oracle.py`` describes, and ``features`` and ``blocks``, one number per level. Names
and layouts are tinygan's; the strides and shortcuts follow from the shapes of the parameters.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from tests.oracle import make_pytorch_oracle as dcgan
from tests.oracle.make_pytorch_oracle import NORMS, Networks, Tensors, keep, levels_of

SIZE, CODE, BATCH, STEPS = (12, 18), 5, 3, 10  # the width needs the extra padding
FEATURES, BLOCKS = (4, 6), (1, 2)


def blocks_of(which: str, features, blocks) -> Iterator[tuple[str, int, int, int, int]]:
    """(name, level, channels in, channels out, stride) of the blocks of "G" or "D", in their order."""
    for level in range(len(features)) if which == "D" else reversed(range(len(features))):
        inner, outer = features[level], features[level - 1] if level else 3
        for block in range(blocks[level]):
            if which == "D":
                yield f"down{level}_block{block}", level, outer if block == 0 else inner, inner, 2 if block == 0 else 1
            else:
                last = block == blocks[level] - 1
                yield f"up{level}_block{block}", level, inner, outer if last else inner, 2 if last else 1


def random_network(which: str, norm: str, size, code: int, features, blocks, rng) -> tuple[dict, dict]:
    """Random parameters and running statistics of "G" or "D", by tinygan's names."""
    arrays, buffers = {}, {}
    _, (h, w) = levels_of(size)

    def either_sign(count: int) -> np.ndarray:
        return rng.uniform(0.3, 1.5, count) * rng.choice([-1, 1], count)

    def layer(name: str, shape: tuple, taps: float, channels: int, affine: bool, batch_norm: bool) -> None:
        outputs = shape[1] if name == "linear" else channels
        arrays[f"{name}.w"] = rng.normal(0, 1.2 / np.sqrt(taps), shape)
        if norm in ("none", "bn"):
            arrays[f"{name}.b"] = rng.normal(0, 0.3, outputs)
        elif norm == "wn-affine" or affine:
            arrays[f"{name}.scale"], arrays[f"{name}.bias"] = either_sign(outputs), rng.normal(0, 0.3, outputs)
        if norm == "bn" and batch_norm:
            arrays[f"{name}_norm.scale"], arrays[f"{name}_norm.shift"] = (
                either_sign(channels),
                rng.normal(0, 0.3, channels),
            )
            buffers[f"{name}_norm.running_mean"] = rng.normal(0, 0.5, channels)
            buffers[f"{name}_norm.running_var"] = rng.uniform(0.5, 2.0, channels)

    def activation(name: str, channels: int, translated: bool) -> None:
        # Two slopes start at the ends of [0, 1], where the clamp after each step acts.
        arrays[f"{name}.slope"] = np.array([0.0, 1.0, *rng.uniform(0, 1, channels - 2)])
        if translated:
            arrays[f"{name}.shift"] = rng.normal(0, 0.3, channels)

    if which == "G":
        layer("linear", (code, h * w * features[-1]), code, features[-1], affine=True, batch_norm=True)
        activation("linear_act", features[-1], translated=False)
    for name, _, c_in, c_out, stride in blocks_of(which, features, blocks):
        image = 3 in (c_in, c_out)  # no number of features is 3
        k = stride + 2
        residual, shortcut = f"{name}.sum.residual", f"{name}.sum.shortcut"
        if which == "D":
            layer(f"{residual}.conv0", (k, k, c_in, c_out), k * k * c_in, c_out, False, not image)
            activation(f"{residual}.act", c_out, norm == "wn")
            layer(f"{residual}.conv1", (3, 3, c_out, c_out), 9 * c_out, c_out, False, True)
            match = f"{shortcut}.conv", (1, 1, c_in, c_out)
        else:
            layer(f"{residual}.tconv0", (3, 3, c_in, c_in), 9 * c_in, c_in, False, True)
            activation(f"{residual}.act", c_in, norm == "wn")
            taps = k * k * c_in / stride**2
            layer(f"{residual}.tconv1", (k, k, c_out, c_in), taps, c_out, False, not image)
            match = f"{shortcut}.tconv", (1, 1, c_out, c_in)
        if c_in != c_out:
            layer(*match, c_in, c_out, False, not image)
        if norm in ("wn", "wn-affine"):
            arrays[f"{name}.sum.w"] = either_sign(2 * c_out).reshape(2, c_out)
        if which == "D" or not image:
            activation(f"{name}.act", c_out, norm == "wn")
        elif norm == "wn":
            arrays[f"{name}.scale_shift.scale"] = either_sign(3)
            arrays[f"{name}.scale_shift.shift"] = rng.normal(0, 0.3, 3)
    if which == "D":
        layer("last", (h, w, features[-1], 1), h * w * features[-1], 1, affine=True, batch_norm=False)
    return arrays, buffers


def effective(p: Tensors, norm: str) -> Tensors:
    """Weights normalised over all but their output channels, w/√(k·Σw² + 1e-6); everything else as it is."""

    def weight(name: str, w):
        if norm in ("none", "bn") or not name.endswith(".w") or name.endswith(".sum.w"):
            return w
        transposed = ".tconv" in name
        axes = (0, 1, 3) if transposed else tuple(range(w.ndim - 1))
        k = 1 / 4 if transposed and w.shape[0] == 4 else 1.0  # the 4×4 kernels are those with stride 2
        return w / torch.sqrt(k * (w**2).sum(axes, keepdim=True) + 1e-6)

    return {name: weight(name, w) for name, w in p.items()}


def weighted(x, p: Tensors, buffers: Tensors, name: str, training: bool, stride=1, pad=(0, 0)):
    """The layer ``name`` with its :func:`effective` weight, and its batch norm if it has one; images (N, C, H, W)."""
    w = p[f"{name}.w"]
    if w.ndim == 2:
        y = F.linear(x, w.T)
    else:
        convolve = F.conv_transpose2d if ".tconv" in name else F.conv2d
        y = convolve(x, w.permute(3, 2, 0, 1).contiguous(), stride=stride, padding=pad)
    if f"{name}.scale" in p:
        y = per_channel(p[f"{name}.scale"], y) * y + per_channel(p[f"{name}.bias"], y)
    if f"{name}.b" in p:
        y = y + per_channel(p[f"{name}.b"], y)
    return normalised(y, p, buffers, name, training) if y.ndim == 4 else y


def normalised(x, p: Tensors, buffers: Tensors, name: str, training: bool):
    if f"{name}_norm.scale" not in p:
        return x
    mean, var = buffers[f"{name}_norm.running_mean"], buffers[f"{name}_norm.running_var"]
    scale, shift = p[f"{name}_norm.scale"], p[f"{name}_norm.shift"]
    return F.batch_norm(x, mean, var, scale, shift, training, momentum=0.1, eps=1e-5)


def per_channel(values, x):
    return values.view((1, -1) + (1, 1) * (x.ndim == 4))


def activated(x, p: Tensors, name: str):
    b = per_channel(p[f"{name}.shift"], x) if f"{name}.shift" in p else 0.0
    return F.prelu(x - b, p[f"{name}.slope"]) + b


def added(r, s, p: Tensors, name: str):
    if f"{name}.sum.w" not in p:
        return r + s
    w1, w2 = (per_channel(w, r) for w in p[f"{name}.sum.w"])
    return (w1 * r + w2 * s) / torch.sqrt(w1**2 + w2**2)


def down_block(x, p: Tensors, buffers: Tensors, name: str, pad: tuple[int, int], training: bool):
    residual, shortcut = f"{name}.sum.residual", f"{name}.sum.shortcut"
    stride = p[f"{residual}.conv0.w"].shape[0] - 2
    pad = pad if stride == 2 else (1, 1)
    r = weighted(x, p, buffers, f"{residual}.conv0", training, stride, pad)
    r = weighted(activated(r, p, f"{residual}.act"), p, buffers, f"{residual}.conv1", training, pad=(1, 1))
    if stride == 2:
        x = F.avg_pool2d(F.pad(x, (pad[1] - 1, pad[1] - 1, pad[0] - 1, pad[0] - 1)), 2)
    s = weighted(x, p, buffers, f"{shortcut}.conv", training) if f"{shortcut}.conv.w" in p else x
    return activated(added(r, s, p, name), p, f"{name}.act")


def up_block(x, p: Tensors, buffers: Tensors, name: str, pad: tuple[int, int], training: bool):
    residual, shortcut = f"{name}.sum.residual", f"{name}.sum.shortcut"
    stride = p[f"{residual}.tconv1.w"].shape[0] - 2
    pad = pad if stride == 2 else (1, 1)
    r = weighted(x, p, buffers, f"{residual}.tconv0", training, pad=(1, 1))
    r = weighted(activated(r, p, f"{residual}.act"), p, buffers, f"{residual}.tconv1", training, stride, pad)
    s = weighted(x, p, buffers, f"{shortcut}.tconv", training) if f"{shortcut}.tconv.w" in p else x
    if stride == 2:
        s = F.interpolate(s, scale_factor=2, mode="nearest")
        s = F.pad(s, (1 - pad[1], 1 - pad[1], 1 - pad[0], 1 - pad[0]))  # by less than nothing: crops
    y = added(r, s, p, name)
    if f"{name}.scale_shift.scale" in p:
        y = per_channel(p[f"{name}.scale_shift.scale"], y) * y + per_channel(p[f"{name}.scale_shift.shift"], y)
    return activated(y, p, f"{name}.act") if f"{name}.act.slope" in p else y


def names_of_blocks(p: Tensors) -> list[tuple[str, int]]:
    """The blocks by name, in the order of the parameters, and their levels."""
    names = dict.fromkeys(name.partition(".")[0] for name in p if "_block" in name)
    return [(name, int(name.partition("_")[0].lstrip("updown"))) for name in names]


def generator(codes, p: Tensors, buffers: Tensors, size, training: bool = True, trace: Tensors | None = None):
    """Images (N, 3, H, W); ``trace`` gets the activations after each layer of the uppermost order, by its name."""
    pads, (h, w) = levels_of(size)
    x = weighted(codes, p, buffers, "linear", training)
    keep(trace, "linear", x)
    x = x.reshape(len(x), h, w, -1).permute(0, 3, 1, 2)
    keep(trace, "reshape", x)
    if "linear_norm.scale" in p:
        x = normalised(x, p, buffers, "linear", training)
        keep(trace, "linear_norm", x)
    x = activated(x, p, "linear_act")
    keep(trace, "linear_act", x)
    for name, level in names_of_blocks(p):
        x = up_block(x, p, buffers, name, pads[level], training)
        keep(trace, name, x)
    x = torch.sigmoid(x)
    keep(trace, "sigmoid", x)
    return x


def discriminator(x, p: Tensors, buffers: Tensors, size, training: bool = True, trace: Tensors | None = None):
    """Logits (N,) of images (N, 3, H, W); ``trace`` as above."""
    pads, _ = levels_of(size)
    x = 2 * x - 1
    keep(trace, "signed", x)
    for name, level in names_of_blocks(p):
        x = down_block(x, p, buffers, name, pads[level], training)
        keep(trace, name, x)
    x = weighted(x, p, buffers, "last", training)
    keep(trace, "last", x)
    x = x.reshape(-1)
    keep(trace, "logit", x)
    return x


RESNET = Networks(generator, discriminator, effective)


def oracle(norm: str) -> dict[str, np.ndarray]:
    """Everything that ``resnet_<norm>.npz`` holds."""
    rng = np.random.default_rng(NORMS.index(norm))
    networks = {which: random_network(which, norm, SIZE, CODE, FEATURES, BLOCKS, rng) for which in "GD"}
    values = dcgan.results(norm, SIZE, CODE, (BATCH, STEPS), networks, RESNET, rng)
    return values | {"features": np.array(FEATURES), "blocks": np.array(BLOCKS)}


def main() -> None:
    torch.set_num_threads(1)  # sums in one order, whatever the machine
    torch.use_deterministic_algorithms(True)
    for norm in NORMS:
        path = Path(__file__).with_name(f"resnet_{norm}.npz")
        np.savez_compressed(path, **oracle(norm))
        print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB, PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()
