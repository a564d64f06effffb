"""The last step of a preparation: look at the images once more, give each file its place, the description last."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL

import tinygan
from tinygan.data import packed
from tinygan.data.imageset import with_split
from tinygan.data.split import FINAL_TEST_IMAGES, RUNNING_TEST_IMAGES, split, split_to_json
from tinygan.data.transform import Size
from tinygan.dataprep.measurepixels import measure_pixels
from tinygan.dataprep.partial import PartialPack
from tinygan.dataprep.sources import Listing, Source, printable
from tinygan.errors import TinyganError, UsageError
from tinygan.files import write_atomically
from tinygan.images import save_grid

SHOWN = 100  # images in the preview
FILTER = "bilinear, support grows with the reduction (Pillow)"


@dataclass(frozen=True)
class PackOptions:
    """What a packed set is to be; with the source this decides every byte of its images and its split."""

    dataset: str  # one of tinygan.data.DATASETS
    size: Size
    crop: Size | None = None  # cut from each image's centre first
    running: int = RUNNING_TEST_IMAGES
    final: int = FINAL_TEST_IMAGES
    seed: int = 0  # of the split
    partition: Path | None = None  # an official partition's file
    max_skipped: float = 0.01  # share of the images that may be unusable


def finish(
    source: Source, options: PackOptions, listing: Listing, pack: PartialPack, partition: np.ndarray | None
) -> dict:
    """Complete the packed set that ``pack`` has begun, and return its description.

    ``partition`` is the code of each of the listing's items, or None. Raises TinyganError where there is no image,
    UsageError where the partition leaves none for training.
    """
    out, count = pack.out, pack.rows
    if not count:
        raise TinyganError(f"{source.path}: not one image could be used")
    kept = np.ones(len(listing.items), bool)
    kept[[number for number, _ in pack.skipped]] = False
    codes = None if partition is None else partition[kept]
    division = split(count, options.seed, options.running, options.final, codes)
    if not len(division.train):
        raise UsageError(f"{options.partition} leaves no image for training: name the file that belongs to the images")
    numbers = np.flatnonzero(kept)  # row -> item

    def name_of(row: int) -> str:
        return printable(listing.items[int(numbers[row])])

    path = pack.finish_images()
    pixels = measure_pixels(path, count, options.size)
    os.replace(path, out / packed.IMAGES)
    names = (f"{name_of(row)}\n".encode() for row in range(count))
    write_atomically(out / packed.NAMES, lambda file: file.writelines(names))
    classes = {}
    if listing.labels is not None:
        write_integers(out / packed.LABELS, listing.labels[kept])
        counts = np.bincount(listing.labels[kept], minlength=len(listing.classes)).tolist()
        classes = dict(zip(map(printable, listing.classes), counts, strict=True))
    write_integers(out / packed.TRAIN, division.train)
    save_preview(out, count, options.size)
    beside = [name for name in (packed.NAMES, packed.LABELS, packed.TRAIN) if (out / name).exists()]
    partition_name = options.partition and printable(options.partition.name)
    description = {
        "format": packed.FORMAT,
        "dataset": options.dataset,
        "summary": f"{count} images of {options.dataset} from {printable(str(source.path))}",
        "count": count,
        "height": options.size[0],
        "width": options.size[1],
        "crop": list(options.crop) if options.crop else None,
        "filter": FILTER,
        "mean": pixels.mean,
        "std": pixels.std,
        "pixels": pixels.checksum,
        "fingerprint": with_split(pixels.checksum, division),
        "source": {"path": printable(str(source.path)), "fingerprint": listing.fingerprint},
        "classes": classes,
        "converted": dict(sorted(pack.notes.items())),
        "skipped": [list(pair) for pair in skipped_images(listing, pack)],
        "left_out": listing.left_out,
        "wanted": {"running": options.running, "final": options.final},
        "split": split_to_json(division, options.seed, partition_name, name_of),
        "checksums": {name: packed.checksum_of(out / name) for name in beside},
        "versions": {"tinygan": tinygan.__version__, "pillow": PIL.__version__},
    }
    write_atomically(out / packed.DESCRIPTION, json.dumps(description, indent=1, ensure_ascii=False).encode())
    pack.remove()
    return description


def write_integers(path: Path, values: np.ndarray) -> None:
    """Write (n,) integers as a ``.npy`` file."""
    write_atomically(path, packed.header(values.shape, "<i8") + values.astype("<i8").tobytes())


def skipped_images(listing: Listing, pack: PartialPack) -> list[tuple[str, str]]:
    """(name, reason) of everything that is not packed."""
    known = [(printable(name), why) for name, why in listing.skipped]
    return known + [(printable(listing.items[number]), printable(why)) for number, why in pack.skipped]


def save_preview(out: Path, count: int, size: Size) -> None:
    """Write ``preview.png``: 100 images from the whole length of the set, first and last among them."""
    images = np.memmap(out / packed.IMAGES, np.uint8, "r", packed.HEADER_BYTES, (count, *size, 3))
    rows = np.unique(np.linspace(0, count - 1, min(count, SHOWN)).round().astype(int))
    save_grid(out / packed.PREVIEW, np.asarray(images[rows]))
