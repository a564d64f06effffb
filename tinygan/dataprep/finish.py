"""The last step of a preparation: look at the images once more, give each file its place, the description last."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL

import tinygan
from tinygan.data.imageset import with_split
from tinygan.data.packed import (
    DESCRIPTION,
    FORMAT,
    HEADER_BYTES,
    IMAGES,
    LABELS,
    NAMES,
    PREVIEW,
    TRAIN,
    checksum_of,
    header,
)
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
    """What a packed set shall be; with the source they decide every byte of its images and its split."""

    dataset: str  # one of tinygan.data.DATASETS
    size: Size
    crop: Size | None = None  # cut from each image's centre first
    running: int = RUNNING_TEST_IMAGES
    final: int = FINAL_TEST_IMAGES
    seed: int = 0  # of the split
    partition: Path | None = None  # an official partition's file
    max_skipped: float = 0.01  # share of the images that may be unusable


def finish(
    source: Source, wishes: PackOptions, listing: Listing, unfinished: PartialPack, partition: np.ndarray | None
) -> dict:
    """Make the packed set of ``unfinished`` whole and return its description.

    ``partition`` is the code of each of the listing's items, or None. Raises TinyganError where there is no image,
    UsageError where the partition leaves none for training.
    """
    out, count = unfinished.out, unfinished.rows
    if not count:
        raise TinyganError(f"{source.path}: not one image could be used")
    kept = np.ones(len(listing.items), bool)
    kept[[number for number, _ in unfinished.skipped]] = False
    division = split(
        count, wishes.seed, wishes.running, wishes.final, partition if partition is None else partition[kept]
    )
    if not len(division.train):
        raise UsageError(f"{wishes.partition} leaves no image for training: name the file that belongs to the images")
    numbers = np.flatnonzero(kept)  # row -> item

    def name_of(row: int) -> str:
        return printable(listing.items[int(numbers[row])])

    path = unfinished.finish_images()
    pixels = measure_pixels(path, count, wishes.size)
    os.replace(path, out / IMAGES)
    write_atomically(out / NAMES, lambda file: file.writelines(f"{name_of(row)}\n".encode() for row in range(count)))
    classes = {}
    if listing.labels is not None:
        write_integers(out / LABELS, listing.labels[kept])
        counts = np.bincount(listing.labels[kept], minlength=len(listing.classes)).tolist()
        classes = dict(zip(map(printable, listing.classes), counts, strict=True))
    write_integers(out / TRAIN, division.train)
    save_preview(out, count, wishes.size)
    partition_name = printable(wishes.partition.name) if wishes.partition else None
    description = {
        "format": FORMAT,
        "dataset": wishes.dataset,
        "summary": f"{count} images of {wishes.dataset} from {printable(str(source.path))}",
        "count": count,
        "height": wishes.size[0],
        "width": wishes.size[1],
        "crop": list(wishes.crop) if wishes.crop else None,
        "filter": FILTER,
        "mean": pixels.mean,
        "std": pixels.std,
        "pixels": pixels.checksum,
        "fingerprint": with_split(pixels.checksum, division),
        "source": {"path": printable(str(source.path)), "fingerprint": listing.fingerprint},
        "classes": classes,
        "converted": dict(sorted(unfinished.notes.items())),
        "skipped": [list(pair) for pair in skipped_images(listing, unfinished)],
        "left_out": listing.left_out,
        "wanted": {"running": wishes.running, "final": wishes.final},
        "split": split_to_json(division, wishes.seed, partition_name, name_of),
        "checksums": {name: checksum_of(out / name) for name in (NAMES, LABELS, TRAIN) if (out / name).exists()},
        "versions": {"tinygan": tinygan.__version__, "pillow": PIL.__version__},
    }
    write_atomically(out / DESCRIPTION, json.dumps(description, indent=1, ensure_ascii=False).encode())
    unfinished.remove()
    return description


def write_integers(path: Path, values: np.ndarray) -> None:
    """Write (n,) integers as a ``.npy`` file."""
    write_atomically(path, header(values.shape, "<i8") + values.astype("<i8").tobytes())


def skipped_images(listing: Listing, unfinished: PartialPack) -> list[tuple[str, str]]:
    """(name, reason) of everything that is not packed."""
    known = [(printable(name), why) for name, why in listing.skipped]
    return known + [(printable(listing.items[number]), printable(why)) for number, why in unfinished.skipped]


def save_preview(out: Path, count: int, size: Size) -> None:
    """Write ``preview.png``: 100 images from the whole length of the set, first and last among them."""
    images = np.memmap(out / IMAGES, np.uint8, "r", HEADER_BYTES, (count, *size, 3))
    rows = np.unique(np.linspace(0, count - 1, min(count, SHOWN)).round().astype(int))
    save_grid(out / PREVIEW, np.asarray(images[rows]))
