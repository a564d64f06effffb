"""The reconstruction search in PyTorch, written plainly: one image at a time, autograd, ``torch.optim.RMSprop``.

To make ``reconstruction.npz`` anew, beside this file, with PyTorch 2.13 on the CPU::

    python -m tests.oracle.make_reconstruction_oracle

It holds, for each norm, the losses of the first images of that norm's ``pytorch_<norm>.npz``, searched with that file's
generator, after 50 and after 2,000 steps: ``<norm>.50`` and ``<norm>.2000``, float64 (images,).
"""

from pathlib import Path

import numpy as np
import torch

from tests.oracle.make_pytorch_oracle import NORMS, effective, generator, nchw, tensors

IMAGES = 5
STEPS = (50, 2000)
HERE = Path(__file__).parent


def part(values: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): array for name, array in values.items() if name.startswith(prefix)}


def losses(norm: str) -> dict[int, list[float]]:
    """Loss of each image after each number of ``STEPS``."""
    with np.load(HERE / f"pytorch_{norm}.npz", allow_pickle=False) as file:
        values = dict(file)
    weights, buffers = effective(tensors(part(values, "G.")), norm), tensors(part(values, "G_buffers."))
    reals = values["reals"].reshape(-1, *values["reals"].shape[2:])[:IMAGES]
    found = {steps: [] for steps in STEPS}
    for real in reals:
        x = nchw(real[None] / 255)
        z = torch.zeros(1, values["codes"].shape[-1], dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.RMSprop([z], lr=0.01, alpha=0.9, eps=1e-6)
        for step in range(1, max(STEPS) + 1):
            optimiser.zero_grad()
            drawn = generator(z, weights, buffers, real.shape[:2], training=False)
            torch.nn.functional.mse_loss(drawn, x).backward()
            optimiser.step()
            if step in STEPS:
                with torch.no_grad():
                    drawn = generator(z, weights, buffers, real.shape[:2], training=False)
                    found[step].append(torch.nn.functional.mse_loss(drawn, x).item())
    return found


def main() -> None:
    """Write the file."""
    arrays = {f"{norm}.{steps}": np.array(values) for norm in NORMS for steps, values in losses(norm).items()}
    np.savez(HERE / "reconstruction.npz", **arrays)


if __name__ == "__main__":
    main()
