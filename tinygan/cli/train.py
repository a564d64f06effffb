"""What train.py does: its options, and a run from them."""

import argparse
from contextlib import closing, nullcontext
from pathlib import Path

from tinygan.cli.parser import OneLineParser, filled, metavar, number, numbers, size
from tinygan.errors import UsageError
from tinygan.ranges import RANGES, flag
from tinygan.text import say, started_as
from tinygan.training import options as training_options
from tinygan.training.options import CHOICES, PRESETS, Options, show

EXAMPLES = (
    "train.py --norm wn                                          the embedded data set, two CPU cores are enough",
    "train.py --norm wn --dataset cifar10 --device gpu           the main job; CIFAR-10 is downloaded once",
    "train.py --preset celeba --data-dir img_align_celeba        a paper run's settings",
    "train.py --data-dir data/photos64 --augment flip            a set that data_prep.py made",
    "train.py --norm bn --dry-run                                networks, memory and options, and nothing else",
    "train.py --resume latest --iterations 200000                go on, bit for bit",
)


GROUPS = {
    "network": {
        "model": "dcgan; the residual network of the paper's last section (resnet); or networks of your own, "
        "package.module:function (docs/own-layer.md)",
        "norm": "normalisation: weight norm (wn), affine everywhere (wn-affine), batch norm (bn), none",
        "code_size": "length of the latent code",
        "features": "channels of the outermost level, doubled at each level inwards",
        "levels": "how often the image is halved (default: until its longer side is below 8)",
        "d_features": "resnet: channels of D's levels from the image inwards, as in 64,128,256 (default: as --features "
        "says)",
        "g_features": "resnet: channels of G's levels (default: D's)",
        "d_blocks": "resnet: residual blocks of D's levels (default: 1 each)",
        "g_blocks": "resnet: residual blocks of G's levels (default: D's)",
    },
    "data": {
        "dataset": "cifar10, the embedded shapes, or a folder of images (celeba, lsun, folder)",
        "data_dir": "where the data set lies: a folder made by data_prep.py, which also says its name and image size, "
        "or as it came (default for cifar10: data/cifar10, downloaded)",
        "image_size": "pixels, N or WIDTHxHEIGHT, both even",
        "crop_size": "cut this out of the centre first; pixels, N or WIDTHxHEIGHT",
        "augment": "flip: mirror half of the training images; crop: windows of --image-size at random places of a "
        "packed set's larger images; or flip,crop",
    },
    "training": {
        "iterations": "iterations in all, also after --resume",
        "batch_size": "images per batch",
        "learning_rate": "learning rate of RMSProp, for both networks",
        "warmup": "iterations over which the learning rate rises from 0; helps runs that die at once",
        "schedule": "alternating: D, then G on fresh noise; shared: one generated batch for both",
        "loss": "adversarial loss: non-saturating cross-entropy, or least squares on probabilities",
        "seed": "seed of weights, noise, data order and previews",
    },
    "device": {
        "device": "auto takes the GPU if there is a usable one",
        "precision": "tf32: float32 with TF32 matrix products; auto: tf32 on a GPU that has it, else float32",
        "ops": "fast; or reference: every operation as its plain formula, for reading and checking",
    },
    "run": {
        "out": "folder that runs are made in",
        "name": "added to the run folder's name",
        "log_every": "iterations per line of log.jsonl (mean losses) and of the status",
        "sample_every": "iterations between sample grids",
        "test_every": "iterations between reconstruction tests of 200 held-out images, 0 for none",
        "save_every": "iterations between saves of checkpoints/last.safetensors",
        "keep_every": "iterations between numbered checkpoints that are kept",
    },
}
TEXTS = {"model": "MODEL", "augment": "HOW", "name": "NAME"}  # what may be any text, and what stands for it in --help


def build_parser() -> argparse.ArgumentParser:
    """Options in groups; one that is not typed is absent from the result, so that presets and resumes can fill it."""
    parser = OneLineParser(
        prog="train.py",
        description="Train a GAN with weight normalisation, batch normalisation or neither.",
        argument_default=argparse.SUPPRESS,
        examples=EXAMPLES,
    )
    for title, options in GROUPS.items():
        group = parser.add_argument_group(title)
        for name, text in options.items():
            default = getattr(Options, name, None)
            shown = "" if default in (None, "") else f" (default: {show(default)})"
            group.add_argument(flag(name), help=text + shown, **_takes(name))
    group.add_argument("--preset", choices=tuple(PRESETS), help="a paper run's options; typed options win")
    text = "go on from a run folder, a checkpoint file, or 'latest'"
    group.add_argument("--resume", type=filled("--resume"), metavar="WHAT", help=text)
    group.add_argument("--tensorboard", action="store_true", help="also write the log and the pictures for TensorBoard")
    group.add_argument("--dry-run", action="store_true", help="print networks, memory and options, and stop")
    return parser


def _takes(name: str) -> dict:
    """What argparse needs to know about the values of option ``name``."""
    if name in TEXTS:
        return {"metavar": TEXTS[name]}
    if name in CHOICES:
        return {"choices": CHOICES[name]}
    if name in ("image_size", "crop_size"):
        return {"type": size(name), "metavar": "SIZE"}
    if name in ("data_dir", "out"):
        return {"type": filled(flag(name)), "metavar": "DIR"}
    if name in RANGES:
        return {"type": number(name), "metavar": metavar(name)}
    return {"type": numbers(name, name.partition("_")[2]), "metavar": "N,N"}


def main(arguments: list[str]) -> None:
    """Parse ``arguments`` and train."""
    typed = vars(build_parser().parse_args(arguments))
    preset, wanted = typed.pop("preset", None), typed.pop("resume", None)
    dry_run, tensorboard = typed.pop("dry_run", False), typed.pop("tensorboard", False)
    typed.pop("debug", None)
    if preset and wanted:
        raise UsageError("--preset and --resume exclude each other: a resumed run keeps its own options")

    # Imported here, so that --help and a typing error answer at once.
    from tinygan.training import checkpoint, session
    from tinygan.training.dryrun import describe
    from tinygan.training.loop import Trainer
    from tinygan.training.runfolder import find_checkpoint

    if tensorboard:
        from tinygan.export.eventfile import EventFile

    stored = None
    if wanted:
        stored = checkpoint.load(find_checkpoint(wanted, Path(typed.get("out", Options.out))))
        options = training_options.resume(stored.options, typed, stored.path)
    else:
        options = training_options.resolve(typed, preset)
    if dry_run:
        say(*describe(options).split("\n"))
        return
    if stored and stored.progress.iteration >= options.iterations:
        say(f"{stored.path} is already at iteration {stored.progress.iteration}: give more --iterations to go on")
        return
    command = [*started_as(), *arguments]
    current = session.resume(stored, options, command) if stored else session.start(options, command)
    say(
        f"{current.folder.path}: {options.model}, {options.norm} on {current.images.source}; "
        f"{current.backend.description}"
    )
    if stored:
        changed = sorted(name for name, value in vars(options).items() if value != getattr(stored.options, name))
        kept = f"changed: {', '.join(changed)}" if changed else "all options as they were"
        say(
            f"resumed from {stored.path} at iteration {stored.progress.iteration}; {kept}",
            *(f"note: {note}" for note in current.notes),
        )
    trainer = Trainer(current)
    with closing(EventFile(current.folder)) if tensorboard else nullcontext() as events:
        if events:
            trainer.after_log = events.catch_up
        trainer.run()
    say(f"pictures: {current.folder.samples}", f"checkpoint: {current.folder.last}")
