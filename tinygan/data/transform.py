"""From an image of any size to exactly the size that the network draws."""

import numpy as np
from PIL import Image, ImageOps

from tinygan.errors import UsageError

Size = tuple[int, int]  # (height, width) in pixels, the order of an array's axes


def fit(image: Image.Image, size: Size, crop: Size | None = None) -> Image.Image:
    """An RGB image of exactly ``size``: optional centre crop, then scaled to cover ``size`` and cut at the centre.

    For a square size this is the usual "shorter edge to the size, then centre crop". The cut is made in the
    coordinates of the original, in one step with the scaling: the centre is exact to a fraction of a pixel, and no
    long thin image ever grows to a huge one in between. The filter is Pillow's bilinear one, whose support grows
    with the reduction, so that shrinking does not alias. CelebA's usual crop is (160, 160). See :func:`to_rgb` for what
    becomes of the image's mode. Raises UsageError where the image is smaller than the crop.
    """
    image = to_rgb(image)
    if crop is not None:
        top, left = _corner((image.height, image.width), crop)
        image = image.crop((left, top, left + crop[1], top + crop[0]))
    height, width = size
    return ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)


def fit_array(images: np.ndarray, size: Size, crop: Size | None = None) -> np.ndarray:
    """:func:`fit` for equal images, uint8 (N, H, W, 3) to (N, *size, 3); ``images`` itself if they fit already."""
    if crop is not None and tuple(crop) != images.shape[1:3]:
        top, left = _corner(images.shape[1:3], crop)
        images = images[:, top : top + crop[0], left : left + crop[1]]
    if images.shape[1:3] == tuple(size):
        return images if images.flags.c_contiguous else np.ascontiguousarray(images)
    fitted = np.empty((len(images), *size, 3), np.uint8)
    for target, image in zip(fitted, images, strict=True):
        target[:] = np.asarray(fit(Image.fromarray(image), size))
    return fitted


def to_rgb(image: Image.Image) -> Image.Image:
    """The image in mode RGB: alpha flattened on black, upper 8 bits of 16-bit grey, CMYK without colour profiles."""
    if image.mode.startswith("I"):  # Pillow's own conversion of 16-bit grey clips at 255: all but black turns white
        values = np.asarray(image, dtype=np.int64)
        grey = np.clip(values >> 8, 0, 255) * (values != image.info.get("transparency"))
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        if image.mode == "1":  # whose transparent colour not all versions of Pillow look at
            image, key = image.convert("L"), image.info["transparency"]
            image.info["transparency"] = key
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image).convert("RGB")
    return image.convert("RGB")


def _corner(whole: Size, crop: Size) -> Size:
    """(top, left) of the centred crop."""
    if crop[0] > whole[0] or crop[1] > whole[1]:
        raise UsageError(
            f"the crop of {crop[0]}x{crop[1]} (height x width) does not fit into an image of {whole[0]}x{whole[1]}; "
            "choose a smaller crop or none"
        )
    return centre(whole, crop)


def shown(size: Size) -> str:
    """A size as people write it, WIDTHxHEIGHT."""
    return f"{size[1]}x{size[0]}"


def centre(whole: Size, part: Size) -> Size:
    """(top, left) of a window of ``part`` pixels in the middle of ``whole``."""
    return (whole[0] - part[0]) // 2, (whole[1] - part[1]) // 2
