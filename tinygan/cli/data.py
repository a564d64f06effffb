"""The command line of data_prep.py, and what its commands do."""

import argparse

from tinygan.cli.parser import OneLineParser, add_number, add_path, path, size
from tinygan.data.split import FINAL_TEST_IMAGES, RUNNING_TEST_IMAGES
from tinygan.errors import UsageError
from tinygan.runtime.cores import allowed_cores
from tinygan.text import say

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
EXAMPLES = {
    "cifar10": ("--out data/cifar10", "--source cifar-10-python.tar.gz --out data/cifar10"),
    "celeba": ("--source img_align_celeba/ --crop-size 160 --image-size 160 --out data/celeba160",),
    "lsun": ("--source bedroom_train_lmdb/ --image-size 160 --out data/bedroom160",),
    "folder": (
        "--source photos/ --image-size 64 --out data/photos64",
        "--source pets.zip --image-size 96x64 --out pets",
    ),
}


def build_parser() -> argparse.ArgumentParser:
    """One command per kind of source, and one to look at what was made."""
    parser = OneLineParser(
        prog="data_prep.py",
        description="Prepare a data set once, for train.py --data-dir.",
        examples=[f"data_prep.py {dataset} {examples[0]}" for dataset, examples in EXAMPLES.items()],
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=OneLineParser)

    def add(name: str, text: str, description: str, *examples: str) -> OneLineParser:
        examples = [f"data_prep.py {name} {example}" for example in examples]
        return commands.add_parser(name, help=text, description=description, examples=examples)

    for dataset, title in TITLES.items():
        add_options(add(dataset, title, f"Pack {dataset}: {title}.", *EXAMPLES[dataset]), dataset)
    text = "what a packed set is"
    command = add("info", text, f"Say {text}.", "data/celeba160 --verify")
    command.add_argument("folder", metavar="DIR", type=path("DIR"), help="a folder that this script made")
    command.add_argument("--verify", action="store_true", help="read all of it and compare")
    text = "the images of a packed set as PNG files, for other tools"
    command = add("export", text, f"Write {text}.", "data/celeba160 --png-folder celeba160-png")
    command.add_argument("folder", metavar="SET", type=path("SET"), help="a folder that this script made")
    add_path(command, "--png-folder", "DIR", "new folder", required=True)
    return parser


def add_options(command: argparse.ArgumentParser, dataset: str) -> None:
    """The options of packing ``dataset``."""
    native = dataset == "cifar10"
    add_path(command, "--source", "PATH", SOURCES[dataset], required=not native)
    add_path(command, "--out", "DIR", "new folder for the packed set", required=True)
    given = {"default": (32, 32)} if native else {"required": True}
    text = f"pixels, N or WIDTHxHEIGHT, both even{' (default: 32)' if native else ''}"
    command.add_argument("--image-size", type=size("image_size"), metavar="SIZE", help=text, **given)
    text = "cut this out of the centre first; N or WIDTHxHEIGHT"
    command.add_argument("--crop-size", type=size("crop_size"), metavar="SIZE", help=text)
    split = command.add_argument_group("split", "three disjoint sets, stored with the images")
    add_number(split, "running_test", RUNNING_TEST_IMAGES, "images of the running test")
    add_number(split, "final_test", FINAL_TEST_IMAGES, "images of the final test")
    add_number(split, "seed", 0, "seed of the split")
    if dataset == "celeba":
        add_path(split, "--partition", "FILE", "list_eval_partition.txt: use the official division")
    add_number(command, "max_skipped", 1, "give up when more of the images than this cannot be used")
    add_number(command, "processes", allowed_cores(), "processes that decode images")


def pack(options: argparse.Namespace) -> None:
    """Prepare the set and say what was made."""
    from tinygan.dataprep.describe import describe
    from tinygan.dataprep.finish import PackOptions
    from tinygan.dataprep.prepare import prepare
    from tinygan.dataprep.sources.choose import choose
    from tinygan.training.options import Options

    if any(side % 2 for side in options.image_size):
        raise UsageError("--image-size must be even both ways: the networks halve it")
    split = options.running_test, options.final_test, options.seed, getattr(options, "partition", None)
    wanted = PackOptions(options.command, options.image_size, options.crop_size, *split, options.max_skipped / 100)
    source, keep = choose(options.command, options.source, options.out)
    made = prepare(source, wanted, options.out, options.processes, keep)
    say(*describe(options.out, made))
    if (train := made["split"]["train"]) < Options.batch_size:
        say(f"fewer than train.py's usual batch of {Options.batch_size}: give it --batch-size {train} or less")


def info(options: argparse.Namespace) -> None:
    """Describe a packed set, and verify it if wanted."""
    from tinygan.data.packed import open_packed, read_description
    from tinygan.dataprep.describe import describe, verify

    images = open_packed(options.folder)
    say(*describe(options.folder, read_description(options.folder)))
    if options.verify:
        say(f"verified: {verify(options.folder, images)}")


def export(options: argparse.Namespace) -> None:
    """Write the images and say where."""
    from tinygan.bars import tqdm
    from tinygan.data.packed import open_packed
    from tinygan.images import save_png_folder

    images = open_packed(options.folder).images
    save_png_folder(options.png_folder, tqdm(images, unit="image", desc="images", disable=None))
    say(f"{len(images)} images: {options.png_folder}")


def main(arguments: list[str]) -> None:
    """Parse ``arguments`` and run the command."""
    options = build_parser().parse_args(arguments)
    {"info": info, "export": export}.get(options.command, pack)(options)
