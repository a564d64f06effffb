"""Look at what a run of train.py has learnt: python evaluate.py reconstruct runs/00000-cifar10-wn

Every command takes --help. Results go into the run's folder, under evaluation/.
"""

import argparse
import importlib
from pathlib import Path

from tinygan.cli.parser import OneLineParser, filled, number, option, path
from tinygan.device import DEVICES
from tinygan.evaluation.resultfile import USUAL_COUNTS
from tinygan.training.runfolder import LATEST, RUNS, newest_run


def build_parser() -> argparse.ArgumentParser:
    """One sub-command per question."""
    parser = OneLineParser(
        prog="evaluate.py",
        description="Look at what a run of train.py has learnt.",
        examples=("evaluate.py samples latest", "evaluate.py reconstruct --help"),
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=OneLineParser)

    def add(name: str, text: str, *examples: str, several: bool = False) -> argparse.ArgumentParser:
        examples = [f"evaluate.py {name} {example}" for example in examples]
        command = commands.add_parser(name, help=text, description=text, examples=examples)
        about = "a run folder, or 'latest' for the newest one in runs"
        command.add_argument("run", metavar="RUN", type=run_path, nargs="+" if several else None, help=about)
        if not several:
            option(command, "checkpoint", "best, last or an iteration", "best", type=checkpoint_name, metavar="C")
            option(command, "device", "auto takes the GPU if there is a usable one", "auto", choices=DEVICES)
            moved = "the data set, where it has moved since training"
            option(command, "data_dir", moved, type=filled("--data-dir"), metavar="DIR")
        return command

    text = "The paper's measure: squared error after searching each held-out image"
    command = add("reconstruct", text, "latest", "runs/00000-cifar10-wn --count 500 --steps 200")
    text = "held-out images: those of the final test, or those that chose the checkpoint"
    option(command, "set", text, "final", choices=("final", "running"))
    option(command, "steps", "descent steps", 2000)
    option(command, "learning_rate", "of the search's optimiser", 0.01)
    text = "of the search (default: %(default)s, the paper's)"
    option(command, "optimiser", text, "rmsprop", choices=("rmsprop", "adam"))
    option(command, "restarts", "searches from random codes besides the one from 0", 0)
    option(command, "count", "only the first N images of the set")
    text = "images at once; for speed only (default: by their size; at 32x32 200, on a GPU 1000)"
    option(command, "batch_size", text)
    text = "of your own instead of the set: any size, fitted as the data was"
    option(command, "image", text, type=path("--image"), nargs="+", metavar="FILE")

    text = "Images of random codes: a grid, a folder of PNG files or one .npz"
    command = add("samples", text, "latest", "latest --checkpoint last --count 50000 --npz samples.npz")
    option(command, "count", "images", USUAL_COUNTS["samples"])
    option(command, "seed", "of the codes", 0)
    folder = filled("--png-folder")
    option(command, "png_folder", "write one PNG per image into this new folder", type=folder, metavar="DIR")
    text = "write uint8 'images' (N, H, W, 3), as 'arr_0' too"
    option(command, "npz", text, type=filled("--npz"), metavar="FILE")

    text = "Walk between random codes, and between reconstructed test images"
    command = add("interpolate", text, "latest --gif")
    option(command, "seed", "of the codes", 0)
    command.add_argument("--gif", action="store_true", help="also as animations")

    text = "Which of the 1024 modes of the embedded data set the generator covers"
    command = add("modes", text, "runs/00000-shapes-wn")
    option(command, "count", "samples", USUAL_COUNTS["modes"])
    option(command, "seed", "of the codes", 0)

    text = "Measures without pretrained networks, each beside real against real"
    command = add("measures", text, "latest --count 500")
    option(command, "count", "images", USUAL_COUNTS["measures"])
    option(command, "seed", "of codes and projections", 0)

    text = "The generator in one page: sliders, walks, and the search for images dropped in"
    command = add("explore", text, "latest --out explore.html")
    option(command, "out", "the page, explore.html say", type=path("--out"), required=True, metavar="FILE")

    text = "G and D for other tools, normalisation folded into the weights; see docs/export.md"
    command = add("export", text, "latest --to torch --out exported")
    option(command, "to", "what is to run them", required=True, choices=("torch", "onnx", "numpy"))
    option(command, "out", "a new folder", type=path("--out"), required=True, metavar="DIR")

    text = "The log and the pictures as TensorBoard's event file, in the run's folder"
    add("tensorboard", text, "latest")

    text = "The paper's table of several runs"
    examples = ("runs/*", "runs/00000-cifar10-none runs/00001-cifar10-wn --json table.json")
    command = add("compare", text, *examples, several=True)
    option(command, "json", "also write it as JSON", type=path("--json"), metavar="FILE")

    command = add("report", "One self-contained page about several runs", "runs/* --out r.html", several=True)
    option(command, "out", "the page, report.html say", type=path("--out"), required=True, metavar="FILE")
    command.add_argument("--follow", action="store_true", help="write it again whenever a run changes, until Ctrl-C")

    text = "The training as a film, from the grids in samples/: GIF, and with ffmpeg MP4 and WebM"
    add("film", text, "latest", several=True)
    return parser


def run_path(text: str) -> Path:
    """A run folder's path; of ``latest`` that of the newest run of ``runs``."""
    return newest_run(RUNS) if filled("RUN")(text) == LATEST else Path(text)


def checkpoint_name(text: str) -> str:
    """``best``, ``last`` or an iteration."""
    return text if text in ("best", "last") else str(number("checkpoint")(text))


def main(arguments: list[str]) -> None:
    """Parse ``arguments`` and run the command."""
    options = build_parser().parse_args(arguments)
    answers = importlib.import_module("tinygan.cli.answers")  # only now: --help and a typing error answer at once
    getattr(answers, options.command)(options)
