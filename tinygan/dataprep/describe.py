"""What a packed set is, in words; and whether it still is what was packed."""

import shlex
from pathlib import Path

from tinygan.data.imageset import ImageSet, with_split
from tinygan.data.packed import IMAGES, LABELS, NAMES, PREVIEW, TRAIN, checksum_of, damaged, read_description
from tinygan.data.split import TESTS
from tinygan.dataprep.measurepixels import measure_pixels
from tinygan.errors import TinyganError
from tinygan.jsonfile import read_bytes

LARGEST_NAMES = 4 << 30  # bytes
LISTED = 10  # skipped images, and classes, that are named one by one


def describe(folder: Path, description: dict) -> list[str]:
    """A few lines for people."""
    count, height, width = (description[name] for name in ("count", "height", "width"))
    crop, division, wanted = description["crop"], description["split"], description["wanted"]
    cut = f"centre {crop[1]}x{crop[0]} cut out, " if crop else ""
    megabytes = count * height * width * 3 / 1e6
    lines = [
        f"{folder}: {description['dataset']}, {count} images of {width}x{height}, {megabytes:.1f} MB",
        f"source: {description['source']['path']}",
        f"made by: {cut}filter {description['filter']}",
        f"mean of R, G, B: {_three(description['mean'])}; standard deviation: {_three(description['std'])} (on 0 to 1)",
        f"fingerprint: {description['fingerprint']}",
    ]
    if description["classes"]:
        classes = [f"{name} {number}" for name, number in description["classes"].items()]
        more = f", and {len(classes) - LISTED} more" if len(classes) > LISTED else ""
        lines.append(f"{len(classes)} classes: {', '.join(classes[:LISTED])}{more}")
    tests = [_test_line(name, len(division[name]), wanted[name], division["partition"]) for name in TESTS]
    drawn = f"official partition {division['partition']}, " if division["partition"] else ""
    lines.append(f"split ({drawn}seed {division['seed']}): {division['train']} train, {', '.join(tests)}")
    unused = count - division["train"] - sum(len(division[name]) for name in TESTS)
    if unused:
        lines.append(f"not used: {unused} images of the official validation and test sets")
    lines += [f"converted: {number} images, {how}" for how, number in description["converted"].items()]
    lines += [f"left out: {what}" for what in description["left_out"]]
    if skipped := description["skipped"]:
        lines.append(f"skipped: {len(skipped)} images")
        lines += [f"  {name}: {why}" for name, why in skipped[:LISTED]]
        if len(skipped) > LISTED:
            lines.append(f"  and {len(skipped) - LISTED} more, listed in {folder / 'dataset.json'}")
    return [*lines, f"look at: {folder / PREVIEW}", f"train with: train.py --data-dir {shlex.quote(str(folder))}"]


def verify(folder: Path, images: ImageSet) -> str:
    """Read all of an opened set and say what was compared; TinyganError names the first thing that is not as packed."""
    description = read_description(folder)
    count, size = description["count"], (description["height"], description["width"])
    pixels = measure_pixels(folder / IMAGES, count, size)
    try:
        names = read_bytes(folder / NAMES, LARGEST_NAMES).decode(errors="replace").split("\n")[:-1]
    except (FileNotFoundError, ValueError) as error:
        raise damaged(folder / NAMES, error) from error
    tests = {name: row for test in TESTS for name, row in description["split"][test].items()}
    checks = {
        f"{IMAGES}: its check sum {pixels.checksum}": pixels.checksum == description["pixels"],
        "dataset.json: mean or std": [pixels.mean, pixels.std] == [description["mean"], description["std"]],
        f"{NAMES}: {len(names)} names": len(names) == len(set(names)) == count,
        f"{NAMES}: the test images' names": all(names[row : row + 1] == [name] for name, row in tests.items()),
        "train.npy or dataset.json: the split": with_split(pixels.checksum, images.split) == description["fingerprint"],
    }
    checksums = description.get("checksums", {})
    for name in checksums.keys() & {NAMES, TRAIN, LABELS}:
        checks[f"{name}: its check sum"] = checksum_of(folder / name) == checksums[name]
    for what, right in checks.items():
        if not right:
            raise TinyganError(f"{folder}/{what} is not what was packed; delete the folder and prepare it again")
    if images.labels is None or LABELS in checksums:
        return "pixels, statistics, names, labels and split are those that were packed"
    return "pixels, statistics, names and split are those that were packed; this older set has no check sum of labels"


def _test_line(name: str, count: int, wanted: int, partition: str | None) -> str:
    share = {"running": "1/20", "final": "1/10"}[name]
    why = "all there are" if partition else f"a set of this size gives no more than {share}"
    return f"{count} {name} test" + (f" ({wanted} wanted; {why})" if count < wanted else "")


def _three(values: list[float]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)
