"""Images, from where they are kept to what a training step takes.

    imageset.py         a data set in memory: uint8 (N, H, W, 3), labels, its source and its fingerprint
    split.py            which images train, which choose the best checkpoint, which give the final figure
    transform.py        crop and scale to the size that the network draws

    cifar10.py          CIFAR-10, found on the disk or downloaded
    cifar10_batches.py  its two file formats
    unpickle.py         the one of them that is a pickle, read without letting it run
    download.py         an archive comes whole and genuine, or not at all
    shapes.py           1024 known modes, drawn instead of downloaded
    figures.py          their eight figures as signed distance functions
    folder.py           any folder of images: CelebA, exported LSUN, your own
    batches.py          the order in which training walks through the images

Everything is kept as bytes in NHWC and becomes float in [0, 1] only in a training step.
"""

from pathlib import Path

from tinygan.data import cifar10, folder, shapes
from tinygan.data.imageset import ImageSet
from tinygan.data.transform import Size, fit_array
from tinygan.errors import UsageError

FOLDERS = {  # data sets that are read from a folder of image files, and what --data-dir must name for each
    "celeba": "the folder of CelebA's aligned images (img_align_celeba with 000001.jpg and so on)",
    "lsun": "a folder of image files exported from LSUN (the LMDB itself is not read)",
    "folder": "a folder of image files (JPEG, PNG, WebP or BMP; sub-folders are read too)",
}
DATASETS = ("cifar10", "celeba", "lsun", "folder", "shapes")


def load(dataset: str, data_dir: Path | None, size: Size, crop: Size | None = None) -> ImageSet:
    """Load one of ``DATASETS`` with every image fitted to ``size``.

    Args:
        dataset: the data set's name.
        data_dir: where it is. Required for celeba, lsun and folder; optional for cifar10, which is downloaded
            without it; shapes takes none.
        size: (height, width) of the images.
        crop: (height, width) cut from the centre before scaling, or None.

    Raises:
        UsageError: an unknown name, a missing or needless ``data_dir``, a size or crop that is not positive, or a
            crop larger than the images.
        TinyganError: the images cannot be found, downloaded or read.
    """
    if dataset not in DATASETS:
        raise UsageError(f"unknown data set {dataset!r}; choose one of {', '.join(DATASETS)}")
    if min(*size, *(crop or size)) < 1:
        raise UsageError(f"image size {size} and crop {crop} must be positive (height, width)")
    if dataset in FOLDERS:
        if data_dir is None:
            raise UsageError(f"the data set {dataset} needs --data-dir: {FOLDERS[dataset]}")
        if dataset == "lsun" and (Path(data_dir) / "data.mdb").exists():
            raise UsageError(f"{data_dir} is an LMDB; --data-dir must name {FOLDERS['lsun']}")
        return folder.load(data_dir, size, crop, dataset)
    if dataset == "cifar10":
        images = cifar10.load(data_dir)
    elif data_dir is None:
        images = shapes.load()
    else:
        raise UsageError("the data set shapes is drawn, not read; leave --data-dir out")
    return ImageSet(images.name, fit_array(images.images, size, crop), images.labels, images.source)
