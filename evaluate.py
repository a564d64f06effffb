#!/usr/bin/env python3
"""Look at what a run of train.py has learnt: python evaluate.py reconstruct runs/00000-cifar10-wn

Every command takes --help. Results go into the run's folder, under evaluation/.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tinygan.cli import OneLineParser
from tinygan.errors import TinyganError, UsageError, run_script
from tinygan.files import write_atomically
from tinygan.output import check_output, write_output

if TYPE_CHECKING:
    from tinygan.evaluation.trained import TrainedRun
    from tinygan.reconstruction import Search


def build_parser() -> argparse.ArgumentParser:
    """One sub-command per question."""
    parser = OneLineParser(prog="evaluate.py", description="Look at what a run of train.py has learnt.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=OneLineParser)

    def add(name: str, function, text: str, several: bool = False) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(function=function)
        command.add_argument("run", metavar="RUN", type=Path, nargs="+" if several else None, help="a run folder")
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
        if not several:
            command.add_argument(
                "--checkpoint", default="best", metavar="C", help="best, last or an iteration (default: %(default)s)"
            )
            command.add_argument(
                "--device", default="auto", choices=("auto", "cpu", "gpu"), help="(default: %(default)s)"
            )
            command.add_argument("--data-dir", metavar="DIR", help="the data set, where it has moved since training")
        return command

    command = add("reconstruct", reconstruct, "The paper's measure: squared error after searching each held-out image")
    command.add_argument("--set", default="final", choices=("final", "running"), help="(default: %(default)s)")
    command.add_argument(
        "--steps", type=positive, default=2000, metavar="N", help="descent steps (default: %(default)s)"
    )
    command.add_argument("--learning-rate", type=float, default=0.01, metavar="X", help="(default: %(default)s)")
    command.add_argument("--optimiser", default="rmsprop", choices=("rmsprop", "adam"), help="(default: %(default)s)")
    command.add_argument("--restarts", type=int, default=0, metavar="N", help="searches from random codes besides 0")
    command.add_argument("--count", type=positive, metavar="N", help="only the first N images of the set")
    command.add_argument(
        "--batch-size",
        type=positive,
        metavar="N",
        help="images at once; for speed only (default: by their size; at 32×32 200, on a GPU 1000)",
    )

    command = add("samples", samples, "Images of random codes: a grid, a folder of PNG files or one .npz")
    command.add_argument("--count", type=positive, default=64, metavar="N", help="(default: %(default)s)")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="(default: %(default)s)")
    command.add_argument("--png-folder", metavar="DIR", help="write one PNG per image into this new folder")
    command.add_argument("--npz", metavar="FILE", help="write uint8 'images' (N, H, W, 3), as 'arr_0' too")

    command = add("interpolate", interpolate, "Walk between random codes, and between reconstructed test images")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="(default: %(default)s)")
    command.add_argument("--gif", action="store_true", help="also as animations")

    command = add("modes", modes, "Which of the 1024 modes of the embedded data set the generator covers")
    command.add_argument("--count", type=positive, default=16384, metavar="N", help="samples (default: %(default)s)")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="(default: %(default)s)")

    command = add("measures", measures, "Measures without pretrained networks, each beside real against real")
    command.add_argument("--count", type=positive, default=2000, metavar="N", help="images (default: %(default)s)")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="(default: %(default)s)")

    command = add("compare", compare, "The paper's table of several runs", several=True)
    command.add_argument("--json", type=Path, metavar="FILE", help="also write it as JSON")

    command = add("report", report, "One self-contained page about several runs", several=True)
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="the page, report.html say")
    command.add_argument("--follow", action="store_true", help="write it again whenever a run changes, until Ctrl-C")

    text = "of your own instead of the set: any size, fitted as the data was"
    commands.choices["reconstruct"].add_argument("--image", type=Path, nargs="+", metavar="FILE", help=text)
    add(
        "film",
        film,
        "The training as a film, from the grids in samples/: GIF, and with ffmpeg MP4 and WebM",
        several=True,
    )
    return parser


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
    print(
        f"{options.set} loss {show_loss(figures)} (standard error over {result['count']} images), "
        f"psnr {result['psnr']:.2f} dB, |z|²/dim {result['z2']:.3f}, {result['steps']} steps, "
        f"iteration {result['iteration']}\n{file}"
    )


def reconstruct_images(run: "TrainedRun", search: "Search", options: argparse.Namespace) -> None:
    """Reconstruct the images that are named, say how they were fitted, and print their figures."""
    from tinygan.evaluation.ownimages import read_own, reconstruct_own

    if options.count:
        raise UsageError("--count is of a held-out set: leave it out with --image")
    images = [read_own(path, run, options.data_dir) for path in options.image]
    for image in images:
        print(f"{image.path}: {image.how}")
    file = reconstruct_own(run, images, search, options.batch_size)
    for found in json.loads(file.read_text())["images"]:
        print(f"{found['file']}: loss {found['loss']:.6f}, psnr {found['psnr']:.2f} dB, |z|²/dim {found['z2']:.3f}")
    print(file, file.with_suffix(".png"), sep="\n")


def film(options: argparse.Namespace) -> None:
    """Write the films and say where."""
    from tinygan.report.film import make_film

    for path in options.run:
        print(*make_film(path), sep="\n")


def samples(options: argparse.Namespace) -> None:
    """Write samples and say where."""
    from tinygan.evaluation.pictures import save_samples
    from tinygan.evaluation.trained import open_run

    if options.npz:
        check_output(Path(options.npz), "--npz")
    run = open_run(options.run, options.checkpoint, options.device)
    print(save_samples(run, options.count, options.seed, options.png_folder, options.npz))


def interpolate(options: argparse.Namespace) -> None:
    """Write the two walks and say where."""
    from tinygan.evaluation import pictures
    from tinygan.evaluation.trained import open_run
    from tinygan.reconstruction import Search, join, reconstruct

    run = open_run(options.run, options.checkpoint, options.device)
    print(*pictures.interpolate(run, pictures.random_ends(run, options.seed), "codes", options.gif), sep="\n")
    images = run.load_images(options.data_dir)
    targets = images.take(images.split.running[: pictures.WALK_ROWS + 1])
    if len(targets) < 2:
        raise TinyganError(
            f"{options.run}: its data set of {len(images.images)} images is too small to hold test images out"
        )
    batches = reconstruct(run.generator, targets, run.options.code_size, Search(500), run.backend, len(targets))
    print(*pictures.interpolate(run, join(list(batches)).codes, "images", options.gif), sep="\n")


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
    print(
        f"{found['covered']} of {MODES} modes covered; as many clear samples should: {found['covered_if_uniform']:.0f}"
    )
    print(f"{100 * found['share_good']:.1f} % good samples")
    print(f"KL to uniform {show(found['kl'])} nats; of as many true samples: {show(found['kl_if_uniform'])}")
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
    print(measure_table(found))
    keep(run, f"measures-{run.checkpoint}", found)


def compare(options: argparse.Namespace) -> None:
    """Print the table."""
    from tinygan.evaluation.comparison import table, to_json
    from tinygan.evaluation.runsummary import read_run

    if options.json:
        check_output(options.json, "--json")
    runs = [read_run(path) for path in options.run]
    print(table(runs))
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
    print(options.out)


def keep(run: "TrainedRun", name: str, figures: dict) -> None:
    """Write ``figures`` into the run's evaluation folder and say where."""
    run.folder.evaluation.mkdir(exist_ok=True)
    file = run.folder.evaluation / f"{name}.json"
    write_atomically(file, json.dumps(figures, indent=2).encode())
    print(file)


def show(figure: float | None) -> str:
    """A figure that may not exist."""
    return "–" if figure is None else f"{figure:.3f}"


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def main(arguments: list[str]) -> None:
    """Parse ``arguments`` and run the command."""
    options = build_parser().parse_args(arguments)
    options.function(options)


if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
