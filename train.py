#!/usr/bin/env python3
"""Train a GAN: python train.py --norm wn --dataset cifar10 --device gpu

Every option has a default (the paper's DCGAN on the embedded data set); --preset takes a paper run's settings, and
what is typed wins over both. The run gets a folder of its own under --out.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

from tinygan.cli import OneLineParser, parse_size
from tinygan.errors import UsageError, run_script
from tinygan.training import options as training_options
from tinygan.training.options import CHOICES, PRESETS, Options, show


def build_parser() -> argparse.ArgumentParser:
    """Options in groups; one that is not typed is absent from the result, so that presets and resumes can fill it."""
    parser = OneLineParser(
        prog="train.py",
        description="Train a GAN with weight normalisation, batch normalisation or neither.",
        argument_default=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    defaults = Options()

    def add(group: argparse._ArgumentGroup, name: str, text: str, **how) -> None:
        default = getattr(defaults, name)
        if default not in (None, ""):
            text += f" (default: {show(default)})"
        group.add_argument(
            training_options.flag(name), choices=None if name == "model" else CHOICES.get(name), help=text, **how
        )

    group = parser.add_argument_group("network")
    add(
        group,
        "model",
        "dcgan; the residual network of the paper's last section (resnet); or networks of your own, "
        "package.module:function (docs/own-layer.md)",
        metavar="MODEL",
    )
    add(group, "norm", "normalisation: weight norm (wn), affine everywhere (wn-affine), batch norm (bn), none")
    add(group, "code_size", "length of the latent code", type=int, metavar="N")
    add(group, "features", "channels of the outermost level, doubled at each level inwards", type=int, metavar="N")
    add(
        group,
        "levels",
        "how often the image is halved (default: until its longer side is below 8)",
        type=int,
        metavar="N",
    )
    add(
        group,
        "d_features",
        "resnet: channels of D's levels from the image inwards, as in 64,128,256 (default: as --features says)",
        type=parse_list,
        metavar="N,N",
    )
    add(group, "g_features", "resnet: channels of G's levels (default: D's)", type=parse_list, metavar="N,N")
    add(group, "d_blocks", "resnet: residual blocks of D's levels (default: 1 each)", type=parse_list, metavar="N,N")
    add(group, "g_blocks", "resnet: residual blocks of G's levels (default: D's)", type=parse_list, metavar="N,N")

    group = parser.add_argument_group("data")
    add(group, "dataset", "cifar10, the embedded shapes, or a folder of images (celeba, lsun, folder)")
    add(
        group,
        "data_dir",
        "where the data set lies: a folder made by data_prep.py, which also says its name and image size, or as it "
        "came (default for cifar10: data/cifar10, downloaded)",
        metavar="DIR",
    )
    add(group, "image_size", "pixels, N or WIDTHxHEIGHT, both even", type=parse_size, metavar="SIZE")
    add(
        group,
        "crop_size",
        "cut this out of the centre first; pixels, N or WIDTHxHEIGHT",
        type=parse_size,
        metavar="SIZE",
    )
    add(
        group,
        "augment",
        "flip: mirror half of the training images; crop: windows of --image-size at random places of a packed set's "
        "larger images; or flip,crop",
        metavar="HOW",
    )

    group = parser.add_argument_group("training")
    add(group, "iterations", "iterations in all, also after --resume", type=int, metavar="N")
    add(group, "batch_size", "images per batch", type=int, metavar="N")
    add(group, "learning_rate", "of RMSProp, for both networks", type=float, metavar="X")
    add(
        group,
        "warmup",
        "iterations over which the learning rate rises from 0; helps runs that die at once",
        type=int,
        metavar="N",
    )
    add(group, "schedule", "alternating: D, then G on fresh noise; shared: one generated batch for both")
    add(group, "loss", "adversarial loss: non-saturating cross-entropy, or least squares on probabilities")
    add(group, "seed", "governs weights, noise, data order and previews", type=int, metavar="N")

    group = parser.add_argument_group("device")
    add(group, "device", "auto takes the GPU if there is a usable one")
    add(
        group,
        "precision",
        "of all arrays; tf32: float32 with TF32 matrix products; auto: tf32 on a GPU that has it, else float32",
    )
    add(group, "ops", "fast; or reference: every operation as its plain formula, for reading and checking")

    group = parser.add_argument_group("run")
    group.add_argument("--preset", choices=tuple(PRESETS), help="a paper run's options; typed options win")
    group.add_argument("--resume", metavar="WHAT", help="go on from a run folder, a checkpoint file, or 'latest'")
    add(group, "out", "folder that runs are made in", metavar="DIR")
    add(group, "name", "added to the run folder's name", metavar="NAME")
    add(group, "log_every", "iterations per line of log.jsonl (mean losses) and of the status", type=int, metavar="N")
    add(group, "sample_every", "iterations between sample grids", type=int, metavar="N")
    add(
        group,
        "test_every",
        "iterations between reconstruction tests of 200 held-out images, 0 for none",
        type=int,
        metavar="N",
    )
    add(group, "save_every", "iterations between saves of checkpoints/last.safetensors", type=int, metavar="N")
    add(group, "keep_every", "iterations between numbered checkpoints that are kept", type=int, metavar="N")
    group.add_argument("--dry-run", action="store_true", help="print networks, memory and options, and stop")
    group.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def parse_list(text: str) -> list[int]:
    """``64,128,256`` to numbers."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list: write numbers with commas, as in 64,128,256") from None


def main(arguments: list[str]) -> None:
    """Parse ``arguments`` and train."""
    typed = vars(build_parser().parse_args(arguments))
    preset, wanted = typed.pop("preset", None), typed.pop("resume", None)
    dry_run = typed.pop("dry_run", False)
    typed.pop("debug", None)
    if preset and wanted:
        raise UsageError("--preset and --resume exclude each other: a resumed run keeps its own options")

    # Imported here, so that --help and a typing error answer at once.
    from tinygan.training import checkpoint, session
    from tinygan.training.dryrun import describe
    from tinygan.training.loop import Trainer
    from tinygan.training.runfolder import find_checkpoint

    stored = None
    if wanted:
        stored = checkpoint.load(find_checkpoint(wanted, Path(typed.get("out", Options.out))))
        options = training_options.resume(stored.options, typed, stored.path)
    else:
        options = training_options.resolve(typed, preset)
    if dry_run:
        print(describe(options))
        return
    if stored and stored.progress.iteration >= options.iterations:
        print(f"{stored.path} is already at iteration {stored.progress.iteration}: give --iterations to go further")
        return
    command = [sys.argv[0], *arguments]
    current = session.resume(stored, options, command) if stored else session.start(options, command)
    print(
        f"{current.folder.path}: {options.model}, {options.norm} on {current.images.source}; "
        f"{current.backend.description}",
        flush=True,
    )
    if stored:
        changed = {
            name for name, value in dataclasses.asdict(options).items() if value != getattr(stored.options, name)
        }
        kept = f"changed: {', '.join(sorted(changed))}" if changed else "all options as they were"
        print(f"resumed from {stored.path} at iteration {stored.progress.iteration}; {kept}", flush=True)
        for note in current.notes:
            print(f"note: {note}", flush=True)
    Trainer(current).run()
    print(f"pictures: {current.folder.samples}\ncheckpoint: {current.folder.last}")


if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
