"""The command line of evaluate.py; answers.py does what its commands say."""

import argparse
import importlib

from tinygan.cli.parser import OneLineParser, add_number, add_path
from tinygan.device import DEVICES
from tinygan.errors import UsageError
from tinygan.evaluation import USUAL_COUNTS
from tinygan.ranges import RANGES
from tinygan.text import did_you_mean


def build_parser() -> argparse.ArgumentParser:
    """One sub-command per question."""
    parser = OneLineParser(
        prog="evaluate.py",
        description="Look at what a run of train.py has learnt.",
        examples=("evaluate.py samples latest", "evaluate.py reconstruct --help"),
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=OneLineParser)

    def add(name: str, text: str, *examples: str, takes: str = "", several: bool = False) -> OneLineParser:
        examples = [f"evaluate.py {name} {example}" for example in examples]
        command = commands.add_parser(name, help=text, description=text, examples=examples)
        stored = ", or cifar10-wn, the generator that tinygan brings" if name in ("explore", "export") else ""
        command.add_run(several, stored)
        if "checkpoint" in takes:
            text = "best, last or an iteration (default: %(default)s)"
            command.add_argument("--checkpoint", type=checkpoint_name, default="best", metavar="C", help=text)
        if "device" in takes:
            text = "auto takes the GPU if there is a usable one (default: %(default)s)"
            command.add_argument("--device", default="auto", choices=DEVICES, help=text)
        if "data" in takes:
            add_path(command, "--data-dir", "DIR", "the data set, where it has moved since training")
        return command

    text = "The paper's measure: squared error after searching each held-out image"
    examples = "latest", "runs/00000-cifar10-wn --count 500 --steps 200"
    command = add("reconstruct", text, *examples, takes="checkpoint device data")
    text = "held-out images: those of the final test, or those that chose the checkpoint (default: %(default)s)"
    command.add_argument("--set", default="final", choices=("final", "running"), help=text)
    add_number(command, "steps", 2000, "descent steps")
    add_number(command, "learning_rate", 0.01, "learning rate of the search")
    text = "optimiser of the search (default: %(default)s, the paper's)"
    command.add_argument("--optimiser", default="rmsprop", choices=("rmsprop", "adam"), help=text)
    add_number(command, "restarts", 0, "searches from random codes besides the one from 0")
    add_number(command, "count", None, "only the first N images of the set")
    text = "images at once; for speed only (default: by their size; at 32x32 200, on a GPU 1000)"
    add_number(command, "batch_size", None, text)
    add_path(command, "--image", "FILE", "your own images, not the set's: any size, fitted as the data was", nargs="+")

    text, batch = "Images of random codes: a grid, a folder of PNG files or one .npz", "--count 50000 --npz samples.npz"
    command = add("samples", text, "latest", f"latest --checkpoint last {batch}", takes="checkpoint device")
    add_number(command, "count", USUAL_COUNTS["samples"], "images")
    add_number(command, "seed", 0, "seed of the codes")
    either = command.add_mutually_exclusive_group()
    add_path(either, "--png-folder", "DIR", "write one PNG per image into this new folder")
    add_path(either, "--npz", "FILE", "write uint8 'images' (N, H, W, 3), as 'arr_0' too")

    text = "Walk between random codes, and between reconstructed test images"
    command = add("interpolate", text, "latest --gif", takes="checkpoint device data")
    add_number(command, "seed", 0, "seed of the codes")
    command.add_argument("--gif", action="store_true", help="also as animations")

    text = "Which of the 1024 modes of the embedded data set the generator covers"
    command = add("modes", text, "runs/00000-shapes-wn", takes="checkpoint device")
    add_number(command, "count", USUAL_COUNTS["modes"], "samples")
    add_number(command, "seed", 0, "seed of the codes")

    text = "Measures without pretrained networks, each beside real against real"
    command = add("measures", text, "latest --count 500", takes="checkpoint device data")
    add_number(command, "count", USUAL_COUNTS["measures"], "images")
    add_number(command, "seed", 0, "seed of codes and projections")

    text = "The generator in one page: sliders, walks, and the search for images dropped in"
    command = add("explore", text, "latest --out explore.html", takes="checkpoint")
    add_path(command, "--out", "FILE", "the page to write, such as explore.html", required=True)

    text = "G and D for other tools, normalisation folded into the weights; see docs/export.md"
    command = add("export", text, "latest --to torch --out exported", takes="checkpoint")
    command.add_argument("--to", required=True, choices=("torch", "onnx", "numpy"), help="the tool that will run them")
    add_path(command, "--out", "DIR", "a new folder", required=True)

    add("tensorboard", "The log and the pictures as TensorBoard's event file, in the run's folder", "latest")

    examples = "runs/*", "runs/00000-cifar10-none runs/00001-cifar10-wn --json table.json"
    command = add("compare", "The paper's table of several runs", *examples, several=True)
    add_path(command, "--json", "FILE", "also write it as JSON")

    command = add("report", "One self-contained page about several runs", "runs/* --out r.html", several=True)
    add_path(command, "--out", "FILE", "the page to write, such as report.html", required=True)
    command.add_argument("--follow", action="store_true", help="write it again whenever a run changes, until Ctrl-C")

    text = "The training as a film, from the grids in samples/: GIF, and with ffmpeg MP4 and WebM"
    add("film", text, "latest", several=True)
    return parser


def checkpoint_name(text: str) -> str:
    """An argparse type: ``best``, ``last`` or an iteration."""
    names = ("best", "last")
    try:
        return text if text in names else str(RANGES["checkpoint"].read(text))
    except ValueError:
        line = f"--checkpoint is {text!r}{did_you_mean(text, names)}: give best, last or {RANGES['checkpoint']}"
        raise UsageError(line) from None


def main(arguments: list[str]) -> None:
    """Parse ``arguments`` and run the command."""
    options = build_parser().parse_args(arguments)
    answers = importlib.import_module("tinygan.cli.answers")  # here, so that --help and a typing error answer at once
    getattr(answers, options.command)(options)
