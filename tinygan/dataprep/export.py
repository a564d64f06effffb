"""A packed set's images as files again, for the evaluators of other projects: the real side of a comparison."""

from pathlib import Path

from tinygan.bars import tqdm
from tinygan.data.packed import open_packed
from tinygan.images import save_png_folder


def export_png(folder: Path, png_folder: Path) -> int:
    """Write every image of the packed set ``folder`` as a PNG file, named by its row, into a new folder.

    Returns:
        How many there are.

    Raises:
        TinyganError: no packed set, a damaged one, or a ``png_folder`` that is not empty.
    """
    images = open_packed(folder).images
    save_png_folder(png_folder, tqdm(images, unit="image", desc="images", disable=None))
    return len(images)
