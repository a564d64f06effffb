#!/usr/bin/env python3
"""Prepare a data set once: python data_prep.py celeba --source img_align_celeba/ --image-size 64 --out data/celeba64

Makes a folder of ready pixels that train.py --data-dir opens at once. Every command takes --help.
"""

import argparse
import sys
from pathlib import Path

from tinygan.cli import OneLineParser, parse_size
from tinygan.data.split import FINAL_TEST_IMAGES, RUNNING_TEST_IMAGES
from tinygan.errors import UsageError, run_script
from tinygan.runtime.threads import allowed_cores

SOURCES = {
    "cifar10": "the archive, or the folder that it or its batches lie in (default: found in --out or downloaded)",
    "celeba": "the folder of aligned images, or img_align_celeba.zip",
    "lsun": "one class's LMDB folder, such as bedroom_train_lmdb, or a folder of images exported from it",
    "folder": "a folder of images, flat or one sub-folder per class, or a zip archive of one",
}
TITLES = {
    "cifar10": "60,000 photographs of 32x32 in ten classes",
    "celeba": "aligned faces, 178x218",
    "lsun": "scenes, shorter side 256",
    "folder": "your own images",
}


def build_parser() -> argparse.ArgumentParser:
    """One command per kind of source, and one to look at what was made."""
    parser = OneLineParser(prog="data_prep.py", description="Prepare a data set once, for train.py --data-dir.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=OneLineParser)
    for dataset, title in TITLES.items():
        command = commands.add_parser(dataset, help=title, description=f"Pack {dataset}: {title}.")
        command.set_defaults(function=pack)
        add_options(command, dataset)
    command = commands.add_parser("info", help="what a packed set is", description="Say what a packed set is.")
    command.set_defaults(function=info)
    command.add_argument("folder", metavar="DIR", type=Path, help="a folder that this script made")
    command.add_argument("--verify", action="store_true", help="read all of it and compare")
    text = "the images of a packed set as PNG files, for other tools"
    command = commands.add_parser("export", help=text, description=f"Write {text}.")
    command.set_defaults(function=export)
    command.add_argument("folder", metavar="SET", type=Path, help="a folder that this script made")
    command.add_argument("--png-folder", metavar="DIR", type=Path, required=True, help="new folder for the files")
    for command in commands.choices.values():
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def add_options(command: argparse.ArgumentParser, dataset: str) -> None:
    """The options of packing ``dataset``."""
    native = dataset == "cifar10"
    command.add_argument("--source", type=Path, required=not native, metavar="PATH", help=SOURCES[dataset])
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="new folder for the packed set")
    command.add_argument(
        "--image-size",
        type=parse_size,
        required=not native,
        default=(32, 32) if native else None,
        metavar="SIZE",
        help=f"pixels, N or WIDTHxHEIGHT, both even{' (default: 32)' if native else ''}",
    )
    command.add_argument(
        "--crop-size", type=parse_size, metavar="SIZE", help="cut this out of the centre first; N or WIDTHxHEIGHT"
    )
    split = command.add_argument_group("split", "three disjoint sets, stored with the images")
    for name, count in (("running", RUNNING_TEST_IMAGES), ("final", FINAL_TEST_IMAGES)):
        split.add_argument(
            f"--{name}-test", type=int, default=count, metavar="N", help=f"images of the {name} test (default: {count})"
        )
    split.add_argument("--seed", type=int, default=0, metavar="N", help="of the split (default: %(default)s)")
    if dataset == "celeba":
        split.add_argument(
            "--partition", type=Path, metavar="FILE", help="list_eval_partition.txt: use the official division"
        )
    command.add_argument(
        "--max-skipped",
        type=float,
        default=1.0,
        metavar="PERCENT",
        help="give up when more images than this cannot be used (default: %(default)g)",
    )
    command.add_argument(
        "--processes", type=int, default=allowed_cores(), metavar="N", help="that decode images (default: %(default)s)"
    )


def pack(options: argparse.Namespace) -> None:
    """Prepare the set and say what was made."""
    from tinygan.dataprep.describe import describe
    from tinygan.dataprep.finish import PackOptions
    from tinygan.dataprep.prepare import prepare
    from tinygan.dataprep.sources.choose import choose
    from tinygan.training.options import Options

    for size, name in ((options.image_size, "--image-size"), (options.crop_size, "--crop-size")):
        if size and min(size) < 1:
            raise UsageError(f"{name} must be at least 1 pixel each way")
    if any(side % 2 for side in options.image_size):
        raise UsageError("--image-size must be even both ways: the networks halve it")
    if options.processes < 1:
        raise UsageError(f"--processes is {options.processes}: it must be at least 1")
    if min(options.seed, options.running_test, options.final_test) < 0:
        raise UsageError("--seed, --running-test and --final-test must not be negative")
    if not 0 <= options.max_skipped <= 100:
        raise UsageError(f"--max-skipped is {options.max_skipped:g}: it is a percentage, 0 to 100")
    wishes = PackOptions(
        options.command,
        options.image_size,
        options.crop_size,
        options.running_test,
        options.final_test,
        options.seed,
        getattr(options, "partition", None),
        options.max_skipped / 100,
    )
    source, keep = choose(options.command, options.source, options.out)
    made = prepare(source, wishes, options.out, options.processes, keep)
    print(describe(options.out, made))
    if made["split"]["train"] < Options.batch_size:
        train = made["split"]["train"]
        print(f"fewer than train.py's usual batch of {Options.batch_size}: give it --batch-size {train} or less")


def info(options: argparse.Namespace) -> None:
    """Describe a packed set, and verify it if wanted."""
    from tinygan.data.packed import open_packed, read_description
    from tinygan.dataprep.describe import describe, verify

    images = open_packed(options.folder)
    print(describe(options.folder, read_description(options.folder)))
    if options.verify:
        print(f"verified: {verify(options.folder, images)}")


def export(options: argparse.Namespace) -> None:
    """Write the images and say where."""
    from tinygan.dataprep.export import export_png

    print(f"{export_png(options.folder, options.png_folder)} images: {options.png_folder}")


def main(arguments: list[str]) -> None:
    """Parse ``arguments`` and run the command."""
    options = build_parser().parse_args(arguments)
    options.function(options)


if __name__ == "__main__":
    sys.exit(run_script(main, sys.argv[1:]))
