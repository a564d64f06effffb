#!/usr/bin/env python3
"""Look at what a run of train.py has learnt: python evaluate.py reconstruct runs/00000-cifar10-wn

Every command takes --help. Results go into the run's folder, under evaluation/.
"""

if __name__ == "__main__":  # first of all, since the imports take a second
    from tinygan.signals import begin_script

    begin_script()

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tinygan.cli import OneLineParser, filled, number, path
from tinygan.device import DEVICES
from tinygan.errors import TinyganError, UsageError
from tinygan.files import write_atomically
from tinygan.output import check_output, write_output
from tinygan.ranges import flag
from tinygan.runtime.launched import run_script
from tinygan.text import say
from tinygan.training.runfolder import LATEST, RUNS, newest_run

if TYPE_CHECKING:
    from tinygan.evaluation.trained import TrainedRun
    from tinygan.reconstruction import Search


def build_parser() -> argparse.ArgumentParser:
    """One sub-command per question."""
    parser = OneLineParser(
        prog="evaluate.py",
        description="Look at what a run of train.py has learnt.",
        examples=("evaluate.py samples latest", "evaluate.py reconstruct --help"),
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=OneLineParser)

    def add(name: str, function, text: str, *examples: str, several: bool = False) -> argparse.ArgumentParser:
        examples = [f"evaluate.py {name} {example}" for example in examples]
        command = commands.add_parser(name, help=text, description=text, examples=examples)
        command.set_defaults(function=function)
        command.add_argument(
            "run",
            metavar="RUN",
            type=run_path,
            nargs="+" if several else None,
            help="a run folder, or 'latest' for the newest one in runs",
        )
        if not several:
            command.add_argument(
                "--checkpoint",
                type=checkpoint_name,
                default="best",
                metavar="C",
                help="best, last or an iteration (default: %(default)s)",
            )
            command.add_argument(
                "--device",
                default="auto",
                choices=DEVICES,
                help="auto takes the GPU if there is a usable one (default: %(default)s)",
            )
            command.add_argument(
                "--data-dir",
                type=filled("--data-dir"),
                metavar="DIR",
                help="the data set, where it has moved since training",
            )
        return command

    def add_number(command: argparse.ArgumentParser, name: str, default: float | None, text: str) -> None:
        shown = "" if default is None else " (default: %(default)s)"
        metavar = "X" if name == "learning_rate" else "N"
        command.add_argument(flag(name), type=number(name), default=default, metavar=metavar, help=text + shown)

    text = "The paper's measure: squared error after searching each held-out image"
    command = add("reconstruct", reconstruct, text, "latest", "runs/00000-cifar10-wn --count 500 --steps 200")
    command.add_argument(
        "--set",
        default="final",
        choices=("final", "running"),
        help="held-out images: those of the final test, or those that chose the checkpoint (default: %(default)s)",
    )
    add_number(command, "steps", 2000, "descent steps")
    add_number(command, "learning_rate", 0.01, "of the search's optimiser")
    command.add_argument(
        "--optimiser",
        default="rmsprop",
        choices=("rmsprop", "adam"),
        help="of the search (default: %(default)s, the paper's)",
    )
    add_number(command, "restarts", 0, "searches from random codes besides the one from 0")
    add_number(command, "count", None, "only the first N images of the set")
    text = "images at once; for speed only (default: by their size; at 32x32 200, on a GPU 1000)"
    add_number(command, "batch_size", None, text)

    text = "Images of random codes: a grid, a folder of PNG files or one .npz"
    command = add("samples", samples, text, "latest", "latest --checkpoint last --count 50000 --npz samples.npz")
    add_number(command, "count", 64, "images")
    add_number(command, "seed", 0, "of the codes")
    folder = filled("--png-folder")
    command.add_argument(
        "--png-folder", type=folder, metavar="DIR", help="write one PNG per image into this new folder"
    )
    command.add_argument(
        "--npz", type=filled("--npz"), metavar="FILE", help="write uint8 'images' (N, H, W, 3), as 'arr_0' too"
    )

    text = "Walk between random codes, and between reconstructed test images"
    command = add("interpolate", interpolate, text, "latest --gif")
    add_number(command, "seed", 0, "of the codes")
    command.add_argument("--gif", action="store_true", help="also as animations")

    text = "Which of the 1024 modes of the embedded data set the generator covers"
    command = add("modes", modes, text, "runs/00000-shapes-wn")
    add_number(command, "count", 16384, "samples")
    add_number(command, "seed", 0, "of the codes")

    text = "Measures without pretrained networks, each beside real against real"
    command = add("measures", measures, text, "latest --count 500")
    add_number(command, "count", 2000, "images")
    add_number(command, "seed", 0, "of codes and projections")

    text = "The generator in one page: sliders, walks, and the search for images dropped in"
    command = add("explore", explore, text, "latest --out explore.html")
    command.add_argument("--out", type=path("--out"), required=True, metavar="FILE", help="the page, explore.html say")

    text = "G and D for other tools, normalisation folded into the weights; see docs/export.md"
    command = add("export", export, text, "latest --to torch --out exported")
    command.add_argument("--to", required=True, choices=("torch", "onnx", "numpy"), help="what is to run them")
    command.add_argument("--out", type=path("--out"), required=True, metavar="DIR", help="a new folder")

    text = "The log and the pictures as TensorBoard's event file, in the run's folder"
    add("tensorboard", tensorboard, text, "latest")

    text = "The paper's table of several runs"
    examples = ("runs/*", "runs/00000-cifar10-none runs/00001-cifar10-wn --json table.json")
    command = add("compare", compare, text, *examples, several=True)
    command.add_argument("--json", type=path("--json"), metavar="FILE", help="also write it as JSON")

    command = add("report", report, "One self-contained page about several runs", "runs/* --out r.html", several=True)
    command.add_argument("--out", type=path("--out"), required=True, metavar="FILE", help="the page, report.html say")
    command.add_argument("--follow", action="store_true", help="write it again whenever a run changes, until Ctrl-C")

    text = "of your own instead of the set: any size, fitted as the data was"
    commands.choices["reconstruct"].add_argument("--image", type=path("--image"), nargs="+", metavar="FILE", help=text)
    text = "The training as a film, from the grids in samples/: GIF, and with ffmpeg MP4 and WebM"
    add("film", film, text, "latest", several=True)
    return parser


def run_path(text: str) -> Path:
    """A run folder's path; of ``latest`` that of the newest run of ``runs``."""
    return newest_run(RUNS) if filled("RUN")(text) == LATEST else Path(text)


def checkpoint_name(text: str) -> str:
    """``best``, ``last`` or an iteration."""
    return text if text in ("best", "last") else str(number("checkpoint")(text))


def reconstruct(options: argparse.Namespace) -> None:
    """Run the reconstruction test and print its figures."""
    from tinygan.evaluation.comparison import show_loss
    from tinygan.evaluation.finaltest import reconstruction_test
    from tinygan.evaluation.statistics import standard_error
    from tinygan.evaluation.trained import open_run
    from tinygan.reconstruction import Search

    run = open_run(options.run, options.checkpoint, options.device)
    search = Search(options.steps, options.learning_rate, options.optimiser, options.restarts)
    if options.image:
        reconstruct_images(run, search, options)
        return
    file = reconstruction_test(run, options.set, search, options.batch_size, options.data_dir, options.count)
    result = json.loads(file.read_text())
    figures = {"loss": result["loss"], "standard_error": standard_error(result["std"], result["count"])}
    say(
        f"{options.set} loss {show_loss(figures)} (standard error over {result['count']} images), "
        f"psnr {result['psnr']:.2f} dB, |z|²/dim {result['z2']:.3f}, {result['steps']} steps, "
        f"iteration {result['iteration']}",
        file,
    )


def reconstruct_images(run: "TrainedRun", search: "Search", options: argparse.Namespace) -> None:
    """Reconstruct the images that are named, say how they were fitted, and print their figures."""
    from tinygan.evaluation.ownimages import read_own, reconstruct_own

    if options.count:
        raise UsageError("--count is of a held-out set: leave it out with --image")
    images = [read_own(file, run, options.data_dir) for file in options.image]
    for image in images:
        say(f"{image.path}: {image.how}")
    file = reconstruct_own(run, images, search, options.batch_size)
    for found in json.loads(file.read_text())["images"]:
        say(f"{found['file']}: loss {found['loss']:.6f}, psnr {found['psnr']:.2f} dB, |z|²/dim {found['z2']:.3f}")
    say(file, file.with_suffix(".png"))


def film(options: argparse.Namespace) -> None:
    """Write the films and say where."""
    from tinygan.report.film import make_film

    for run in options.run:
        say(*make_film(run))


def samples(options: argparse.Namespace) -> None:
    """Write samples and say where."""
    from tinygan.evaluation.pictures import save_samples
    from tinygan.evaluation.trained import open_run

    if options.npz:
        check_output(Path(options.npz), "--npz")
    run = open_run(options.run, options.checkpoint, options.device)
    say(save_samples(run, options.count, options.seed, options.png_folder, options.npz))


def interpolate(options: argparse.Namespace) -> None:
    """Write the two walks and say where."""
    from tinygan.evaluation import pictures
    from tinygan.evaluation.trained import open_run
    from tinygan.reconstruction import Search, join
    from tinygan.training.batched_search import reconstruct

    run = open_run(options.run, options.checkpoint, options.device)
    say(*pictures.interpolate(run, pictures.random_ends(run, options.seed), "codes", options.gif))
    images = run.load_images(options.data_dir)
    targets = images.take(images.split.running[: pictures.WALK_ROWS + 1])
    if len(targets) < 2:
        raise TinyganError(
            f"{options.run}: its data set of {len(images.images)} images is too small to hold test images out"
        )
    batches = reconstruct(run.generator, targets, run.options.code_size, Search(500), run.backend, len(targets))
    say(*pictures.interpolate(run, join(list(batches)).codes, "images", options.gif))


def modes(options: argparse.Namespace) -> None:
    """Count modes, print and keep the figures."""
    from tinygan.data.shapes import MODES
    from tinygan.evaluation.measures.modes import modes as count_modes
    from tinygan.evaluation.trained import open_run

    run = open_run(options.run, options.checkpoint, options.device)
    if run.options.dataset != "shapes" or run.options.image_size != (32, 32):
        raise TinyganError(f"{options.run}: modes are known for --dataset shapes at 32x32 only")
    images = np.concatenate(list(run.samples(options.count, options.seed)))
    found = {"iteration": run.iteration, "seed": options.seed, **count_modes(images)}
    say(f"{found['covered']} of {MODES} modes covered; as many clear samples should: {found['covered_if_uniform']:.0f}")
    say(f"{100 * found['share_good']:.1f} % good samples")
    say(f"KL to uniform {show(found['kl'])} nats; of as many true samples: {show(found['kl_if_uniform'])}")
    keep(run, f"modes-{run.checkpoint}", found)


def measures(options: argparse.Namespace) -> None:
    """Measure samples against the final test's images, and training images against the same; print and keep."""
    from tinygan.evaluation.measures import measure
    from tinygan.evaluation.measuretable import measure_table
    from tinygan.evaluation.trained import open_run

    run = open_run(options.run, options.checkpoint, options.device)
    images = run.load_images(options.data_dir)
    parts = images.split
    if len(parts.final) < 2:
        raise TinyganError(
            f"{options.run}: its data set of {len(images.images)} images is too small to hold test images out"
        )
    real, other = (images.take(part[: options.count]) for part in (parts.final, parts.train))
    fake = np.concatenate(list(run.samples(options.count, options.seed)))
    found = {"iteration": run.iteration, **measure(real, other, fake, options.seed)}
    say(*measure_table(found).split("\n"))
    keep(run, f"measures-{run.checkpoint}", found)


def explore(options: argparse.Namespace) -> None:
    """Write the page and say where."""
    from tinygan.evaluation.trained import open_run
    from tinygan.export.explorepage import write_page

    write_page(open_run(options.run, options.checkpoint, "cpu"), options.out)
    say(options.out)


def export(options: argparse.Namespace) -> None:
    """Write both networks and say where."""
    from tinygan.evaluation.trained import open_run
    from tinygan.export.writing import export as export_run

    say(*export_run(open_run(options.run, options.checkpoint, "cpu"), options.to, options.out))


def tensorboard(options: argparse.Namespace) -> None:
    """Write the event file and say how to look at it."""
    from tinygan.export.eventfile import EventFile
    from tinygan.training.runfolder import RunFolder

    events = EventFile(RunFolder(options.run))
    events.close()
    say(events.path, f"look at it: tensorboard --logdir {options.run}")


def compare(options: argparse.Namespace) -> None:
    """Print the table."""
    from tinygan.evaluation.comparison import table, to_json
    from tinygan.evaluation.runsummary import read_run

    if options.json:
        check_output(options.json, "--json")
    runs = [read_run(path) for path in options.run]
    say(*table(runs).split("\n"))
    if options.json:
        write_output(options.json, json.dumps(to_json(runs), indent=2).encode())


def report(options: argparse.Namespace) -> None:
    """Write the page, once or as long as the runs go on."""
    from tinygan.evaluation.runsummary import read_run
    from tinygan.report import write_report
    from tinygan.report.follow import follow

    check_output(options.out, "--out")
    if options.follow:
        follow(options.run, options.out)
    write_report([read_run(path) for path in options.run], options.out)
    say(options.out)


def keep(run: "TrainedRun", name: str, figures: dict) -> None:
    """Write ``figures`` into the run's evaluation folder and say where."""
    run.folder.evaluation.mkdir(exist_ok=True)
    file = run.folder.evaluation / f"{name}.json"
    write_atomically(file, json.dumps(figures, indent=2).encode())
    say(file)


def show(figure: float | None) -> str:
    """A figure that may not exist."""
    return "–" if figure is None else f"{figure:.3f}"


def main(arguments: list[str]) -> None:
    """Parse ``arguments`` and run the command."""
    options = build_parser().parse_args(arguments)
    options.function(options)


if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
