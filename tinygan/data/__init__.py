"""Images, from where they are kept to what a training step takes.

    imageset.py         a data set as a run holds it: uint8 (N, H, W, 3), split, source and fingerprint
    split.py            which images train, which choose the best checkpoint, which give the final figure
    transform.py        crop and scale to the size that the network draws
    decode.py           one image file's bytes to pixels, with a word on what had to be converted
    oddfiles.py         files that Pillow reads only without their texts and EXIF; transparent colours

    cifar10.py          CIFAR-10 in its two forms, found on the disk or downloaded
    unpickle.py         its pickled form, read without letting the pickle run anything
    download.py         an archive comes whole and genuine, or not at all
    shapes.py           1024 known modes, drawn instead of downloaded
    figures.py          their eight figures as signed distance functions
    folder.py           any folder of images: CelebA, exported LSUN, your own
    batches.py          the order in which training walks through the images; devicebatches.py, the same on a GPU

    packed.py           what data_prep.py makes of any of them, once: the format, and how it is opened; how a set is
                        packed is in tinygan/dataprep/

Everything is kept as bytes in NHWC and becomes float in [0, 1] only in a training step.
"""

from pathlib import Path

from tinygan.data import cifar10, folder, shapes
from tinygan.data.imageset import ImageSet
from tinygan.data.packed import DESCRIPTION, is_packed, open_packed, read_description
from tinygan.data.transform import Size, fit_array, shown
from tinygan.errors import TinyganError, UsageError

FOLDERS = {  # data sets that are read from a folder of image files, and what --data-dir must name for each
    "celeba": "the folder of CelebA's aligned images (img_align_celeba with 000001.jpg and so on)",
    "lsun": "a folder that data_prep.py lsun made, or one of image files exported from LSUN",
    "folder": "a folder of image files (JPEG, PNG, WebP or BMP; sub-folders are read too); for a run that was "
    "trained on an array, its images as PNG files named 000000.png, 000001.png … by row",
}
DATASETS = ("cifar10", "celeba", "lsun", "folder", "shapes")


def load(dataset: str, data_dir: str | Path | None, size: Size, crop: Size | None = None) -> ImageSet:
    """Load one of ``DATASETS`` with every image fitted to ``size``.

    ``data_dir`` is where it is, packed or as it came: required for celeba, lsun and folder; optional for cifar10, which
    is downloaded without it; shapes takes none. ``crop``, (height, width) too, is cut from the centre before scaling.
    A packed set whose images are larger than ``size`` is used through windows (see :class:`ImageSet`).

    Raises UsageError for an unknown name, a missing or unneeded ``data_dir``, a size or crop that is not positive, or a
    crop larger than the images; TinyganError where the images cannot be found, downloaded or read.
    """
    if dataset not in DATASETS:
        raise UsageError(f"unknown data set {dataset!r}; choose one of {', '.join(DATASETS)}")
    if min(*size, *(crop or size)) < 1:
        raise UsageError(f"image size {size} and crop {crop} must be positive (height, width)")
    data_dir = Path(data_dir) if data_dir else None
    if data_dir and not data_dir.exists():
        seen = "" if data_dir.is_absolute() else f" in {Path.cwd()}"
        raise TinyganError(f"--data-dir {data_dir} does not exist{seen}: give --data-dir the path of the data set")
    if data_dir is None and dataset == "cifar10" and _is_packed_cifar10(size, crop):
        data_dir = cifar10.DOWNLOAD_FOLDER
    if data_dir and is_packed(data_dir):
        images = open_packed(data_dir, size, crop)
        if images.name != dataset:
            raise UsageError(f"{data_dir} holds {images.name}, not {dataset}: leave --dataset out")
        return images
    if dataset in FOLDERS:
        if data_dir is None:
            raise UsageError(f"the data set {dataset} needs --data-dir: {FOLDERS[dataset]}")
        if dataset == "lsun" and (data_dir / "data.mdb").exists():
            raise UsageError(
                f"{data_dir} is an LMDB; prepare it once: data_prep.py lsun --source {data_dir} --image-size "
                f"{shown(size)} --out DIR, then name DIR with --data-dir"
            )
        return folder.load(data_dir, size, crop, dataset)
    if dataset == "cifar10":
        images = cifar10.load(data_dir)
    elif data_dir is None:
        images = shapes.load()
    else:
        raise UsageError(f"--dataset shapes is drawn, not read: leave --data-dir out; or since {_what_is_in(data_dir)}")
    return ImageSet(images.name, fit_array(images.images, size, crop), images.labels, images.source)


def _what_is_in(data_dir: Path) -> str:
    """What ``--data-dir`` seems to hold, and what to type for it."""
    holds = f"--data-dir {data_dir} holds"
    if data_dir.name.startswith("cifar-10-") or any([*data_dir.glob("cifar-10-*"), *data_dir.glob("data_batch_1*")]):
        return f"{holds} CIFAR-10, add --dataset cifar10"
    if (data_dir / "data.mdb").exists():
        return f"{holds} an LMDB, prepare it once: data_prep.py lsun --source {data_dir} --image-size N --out DIR"
    if data_dir.is_dir() and folder.find_images(data_dir).paths:
        return (
            f"{holds} image files, add --dataset folder (or celeba, or lsun) to read them as they are, or prepare them "
            f"once: data_prep.py folder --source {data_dir} --image-size N --out DIR"
        )
    return f"{holds} neither a packed set nor images, name the folder that does"


def _is_packed_cifar10(size: Size, crop: Size | None) -> bool:
    """Whether the folder that CIFAR-10 is downloaded into holds it packed in this form."""
    if not (cifar10.DOWNLOAD_FOLDER / DESCRIPTION).exists():
        return False
    packed = read_description(cifar10.DOWNLOAD_FOLDER)
    same_crop = packed["crop"] == (list(crop) if crop else None)
    return packed["dataset"] == "cifar10" and (packed["height"], packed["width"]) == size and same_crop
