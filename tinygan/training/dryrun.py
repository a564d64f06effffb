"""What a run would be, without running it: networks, parameters, memory, options."""

import numpy as np

from tinygan.device import Backend, open_backend, why_no_gpu
from tinygan.layers import Layer, Sequential
from tinygan.ranges import flag
from tinygan.text import printable
from tinygan.training import stepmemory
from tinygan.training.options import Options, show
from tinygan.training.session import build_game, networks_of
from tinygan.training.step import Game

MIB = 2**20


def describe(options: Options) -> str:
    """The text that ``--dry-run`` prints; time and memory that this takes are bounded, whatever the options."""
    device = stepmemory.device_of(options)
    networks = networks_of(options)
    resident = stepmemory.resident_memory(options, networks, device)
    measurable = stepmemory.affordable_images(options, resident) >= min(stepmemory.FEWEST_IMAGES, options.batch_size)
    precision = "float64" if options.precision == "float64" else "float32"
    game = build_game(options, open_backend("cpu", precision)) if measurable else None
    shown = (game.generator.network, game.discriminator.network) if game else networks
    if measurable and device == "gpu" and why_no_gpu() is None:
        memory = _lines_of_gpu(resident, options, open_backend("gpu", options.precision))
    else:
        per_step = stepmemory.step_memory(options, game) if game else None
        memory = _memory_lines(resident, per_step, options.batch_size, device)
    given = {name: value for name, value in vars(options).items() if value not in (None, "")}
    lines = [*_network_table("generator", shown[0], (options.code_size,), game), ""]
    lines += [*_network_table("discriminator", shown[1], (*options.image_size, 3), game), "", *memory, "", "options:"]
    return "\n".join([*lines, *(f"  {flag(name)} {printable(show(value))}" for name, value in given.items())])


def _memory_lines(resident: float, per_step: float | None, batch_size: int, device: str) -> list[str]:
    kept = f"{resident / MIB:.0f} MiB of parameters, gradients and averages"
    if per_step is None:
        return [
            f"memory of a training step: {kept}, and what a batch of {batch_size} takes, which was not measured:",
            f"measuring it would take more than {stepmemory.MEASURABLE / MIB:.0f} MiB itself",
        ]
    total = f"about {(resident + per_step) / MIB:.0f} MiB: {kept}, and {per_step / MIB:.0f} MiB for a batch of"
    lines = [f"memory of a training step: {total} {batch_size}"]
    if device == "gpu":
        lines.append("(counted on the CPU with the plain formulas, which keep what the GPU's kernels keep; where there")
        lines.append("is a GPU it is measured; its memory pool may take a third more)")
    return [*lines, "(besides it the data set, and the libraries' own memory)"]


def _lines_of_gpu(resident: int, options: Options, backend: Backend) -> list[str]:
    """The memory of a step on the GPU that is here, by running one."""
    free = backend.free_memory()
    per_step = stepmemory.measured_on(backend, options) if resident < free else None
    if per_step is None:
        return [
            f"memory of a training step: more than the {free / MIB:.0f} MiB that are free on {backend.description}:",
            "give a smaller --batch-size, or fewer --features",
        ]
    first, *rest = _memory_lines(resident, per_step, options.batch_size, "cpu")
    return [first, f"(measured on {backend.description}, of which {free / MIB:.0f} MiB are free)", *rest]


def _network_table(title: str, network: Layer, input_shape: tuple[int, ...], game: Game | None) -> list[str]:
    """One line per layer: name, kind, output shape (of layers in a row that have values), number of parameters."""
    in_a_row = type(network).__call__ is Sequential.__call__
    x = np.zeros((1, *input_shape), game.generator.parameters.flat.dtype) if game and in_a_row else None
    lines = [f"{title}: input {_shape_text(input_shape)}"]
    for name, layer in network.children.items():
        x = x if x is None else layer(x)[0]
        shape = "" if x is None else _shape_text(x.shape[1:])
        lines.append(f"  {name:14} {layer!r:62} {shape:>14} {stepmemory.parameter_count(layer):>12,}")
    return [*lines, f"  {stepmemory.parameter_count(network):,} parameters"]


def _shape_text(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "1"
