"""What evaluate.py's commands do: each a function of the parsed options that prints its figures, or where they are."""

import argparse
import json

import numpy as np

from tinygan.data.imageset import ImageSet
from tinygan.data.shapes import MODES
from tinygan.errors import TinyganError, UsageError
from tinygan.evaluation import USUAL_COUNTS, pictures
from tinygan.evaluation.comparison import show_loss, table, to_json
from tinygan.evaluation.finaltest import reconstruction_test
from tinygan.evaluation.generator import load_generator
from tinygan.evaluation.measures import measure, measure_table
from tinygan.evaluation.measures.modes import modes as count_modes
from tinygan.evaluation.ownimages import read_own, reconstruct_own
from tinygan.evaluation.runsummary import read_run
from tinygan.evaluation.statistics import standard_error
from tinygan.evaluation.trained import TrainedRun, open_run
from tinygan.export.explorepage import write_page
from tinygan.export.writing import export as export_networks
from tinygan.files import write_atomically
from tinygan.output import check_output, write_output
from tinygan.reconstruction import Search
from tinygan.report import write_report
from tinygan.report.film import make_film
from tinygan.report.follow import follow
from tinygan.rng import rng_for
from tinygan.text import say
from tinygan.training.runfolder import RunFolder


def reconstruct(options: argparse.Namespace) -> None:
    """Run the reconstruction test and print its figures."""
    run = open_run(options.run, options.checkpoint, options.device)
    search = Search(options.steps, options.learning_rate, options.optimiser, options.restarts)
    if options.image:
        reconstruct_images(run, search, options)
        return
    file = reconstruction_test(run, options.set, search, options.batch_size, options.data_dir, options.count)
    result = json.loads(file.read_text())
    figures = {"loss": result["loss"], "standard_error": standard_error(result["std"], result["count"])}
    images = f"standard error over {result['count']} images" if result["count"] > 1 else "1 image"
    say(
        f"{options.set} loss {show_loss(figures)} ({images}), "
        f"psnr {result['psnr']:.2f} dB, |z|²/dim {result['z2']:.3f}, {result['steps']} steps, "
        f"iteration {result['iteration']}",
        file,
    )


def reconstruct_images(run: TrainedRun, search: Search, options: argparse.Namespace) -> None:
    """Reconstruct the images that are named, say how they were fitted, and print their figures."""
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
    for run in options.run:
        say(*make_film(run))


def samples(options: argparse.Namespace) -> None:
    """Write samples and say where."""
    if options.npz:
        check_output(options.npz, "--npz")
    run = open_run(options.run, options.checkpoint, options.device)
    say(pictures.save_samples(run, options.count, options.seed, options.png_folder, options.npz))


def interpolate(options: argparse.Namespace) -> None:
    """Write the two walks and say where."""
    run = open_run(options.run, options.checkpoint, options.device)
    images = load_images(run, options, "running")
    ends = pictures.WALK_ROWS + 1
    codes = rng_for(options.seed, "walk codes").standard_normal((ends, run.options.code_size))
    say(*pictures.interpolate(run, codes, "codes", options.gif, options.seed))
    targets = images.take(images.split.running[:ends])
    say(*pictures.interpolate(run, run.search(targets, Search(500), len(targets)).codes, "images", options.gif))


def modes(options: argparse.Namespace) -> None:
    """Count modes, print and keep the figures."""
    run = open_run(options.run, options.checkpoint, options.device)
    if run.options.dataset != "shapes" or run.options.image_size != (32, 32):
        raise TinyganError(f"{options.run}: modes are known for --dataset shapes at 32x32 only")
    images = np.concatenate(list(run.samples(options.count, options.seed)))
    found = {"iteration": run.iteration, "seed": options.seed, **count_modes(images)}
    say(f"{found['covered']} of {MODES} modes covered; as many clear samples should: {found['covered_if_uniform']:.0f}")
    say(f"{100 * found['share_good']:.1f} % good samples")
    say(f"KL to uniform {show(found['kl'])} nats; of as many true samples: {show(found['kl_if_uniform'])}")
    keep(run, "modes", found, options)


def measures(options: argparse.Namespace) -> None:
    """Measure samples against the final test's images, and training images against the same; print and keep."""
    run = open_run(options.run, options.checkpoint, options.device)
    images = load_images(run, options, "final")
    real, other = (images.take(part[: options.count]) for part in (images.split.final, images.split.train))
    fake = np.concatenate(list(run.samples(options.count, options.seed)))
    found = {"iteration": run.iteration, "seed": options.seed, **measure(real, other, fake, options.seed)}
    say(*measure_table(found))
    keep(run, "measures", found, options)


def explore(options: argparse.Namespace) -> None:
    """Write the page and say where."""
    check_output(options.out, "--out")
    write_page(load_generator(options.run, options.checkpoint), options.out)
    say(options.out)


def export(options: argparse.Namespace) -> None:
    """Write the networks and say where."""
    say(*export_networks(load_generator(options.run, options.checkpoint), options.to, options.out))


def tensorboard(options: argparse.Namespace) -> None:
    """Write the event file and say how to look at it."""
    from tinygan.export.eventfile import EventFile

    events = EventFile(RunFolder(options.run))
    events.close()
    say(events.path, f"look at it: tensorboard --logdir {options.run}")


def compare(options: argparse.Namespace) -> None:
    """Print the table."""
    if options.json:
        check_output(options.json, "--json")
    runs = [read_run(path) for path in options.run]
    say(*table(runs).split("\n"))
    if options.json:
        write_output(options.json, json.dumps(to_json(runs), indent=2).encode())


def report(options: argparse.Namespace) -> None:
    """Write the page, once or as long as the runs go on."""
    check_output(options.out, "--out")
    if options.follow:
        follow(options.run, options.out)
    write_report([read_run(path) for path in options.run], options.out)
    say(options.out)


def load_images(run: TrainedRun, options: argparse.Namespace, part: str) -> ImageSet:
    """The run's data set, of which images must have been held out for this test."""
    images = run.load_images(options.data_dir)
    if len(getattr(images.split, part)) < 2:
        raise TinyganError(f"{options.run}: no {part} test images: its set is small, or packed with --{part}-test 0")
    return images


def keep(run: TrainedRun, name: str, figures: dict, options: argparse.Namespace) -> None:
    """Write ``figures`` into the run's evaluation folder and say where."""
    given, usual = {"count": options.count, "seed": options.seed}, {"count": USUAL_COUNTS[name], "seed": 0}
    file = run.result_file(f"{name}-{run.checkpoint}", given, usual)
    write_atomically(file, json.dumps(figures, indent=2).encode())
    say(file)


def show(figure: float | None) -> str:
    """A figure that may not exist."""
    return "–" if figure is None else f"{figure:.3f}"
