import numpy as np
import pytest
from PIL import Image

from tinygan.data.transform import centre, fit, fit_array, to_rgb
from tinygan.errors import UsageError


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def ramp(height, width):
    """Red grows to the right by 2 a pixel, green downwards: a pixel's value says where it came from."""
    y, x = np.mgrid[:height, :width]
    return np.stack([2 * x, 2 * y, 0 * x], axis=2).astype(np.uint8)


@pytest.mark.parametrize("whole", [(40, 40), (40, 64), (64, 40), (218, 178), (33, 31), (8, 8)])
@pytest.mark.parametrize("size", [(32, 32), (16, 24), (24, 16)])
def test_gives_exactly_the_size(whole, size):
    image = fit(Image.fromarray(picture(*whole)), size)
    assert image.mode == "RGB"
    assert (image.height, image.width) == size


def test_crop_is_the_centre():
    pixels = picture(218, 178)
    cropped = np.asarray(fit(Image.fromarray(pixels), (160, 160), (160, 160)))
    assert np.array_equal(cropped, pixels[29:189, 9:169])


def test_crop_height_and_width_are_not_swapped():
    pixels = picture(20, 30)
    assert np.array_equal(np.asarray(fit(Image.fromarray(pixels), (4, 8), (4, 8))), pixels[8:12, 11:19])


def test_covers_the_size_and_cuts_the_middle():
    wide = np.asarray(fit(Image.fromarray(ramp(40, 100)), (20, 20))).astype(float)
    # The middle 40 of 100 columns at half size: column j of the result lies at 30 + 2j + 0.5.
    assert np.abs(wide[10, 2:18, 0] - 2 * (30 + 2 * np.arange(2, 18) + 0.5)).max() <= 1
    assert np.abs(wide[2:18, 10, 1] - 2 * (2 * np.arange(2, 18) + 0.5)).max() <= 1


def test_shrinking_does_not_alias():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    small = np.asarray(fit(Image.fromarray(stripes), (16, 16)))
    assert np.abs(small[:, 2:-2].astype(int) - 127).max() <= 2


def triangle(whole, part):
    """(part, whole) weights of the bilinear filter, whose support grows with the reduction."""
    scale = whole / part
    places = (np.arange(part) + 0.5) * scale
    weights = np.maximum(0, 1 - np.abs(np.arange(whole) + 0.5 - places[:, None]) / max(scale, 1))
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("whole", "size"),
    [((64, 64), (32, 32)), ((90, 45), (30, 15)), ((30, 45), (20, 30)), ((16, 16), (24, 24)), ((218, 178), (109, 89))],
)
def test_the_filter_is_the_bilinear_one(whole, size):
    pixels = picture(*whole)  # noise: any other filter is far off
    down, across = (triangle(*sides) for sides in zip(whole, size, strict=True))
    expected = np.einsum("yh,xw,hwc->yxc", down, across, pixels.astype(float))
    for fitted in (fit(Image.fromarray(pixels), size), fit_array(pixels[None], size)[0]):
        assert np.abs(np.asarray(fitted) - expected).max() <= 1.01  # rounded twice


@pytest.mark.parametrize(
    ("whole", "part", "corner"),
    [((7, 10), (4, 5), (1, 2)), ((10, 7), (5, 4), (2, 1)), ((5, 5), (4, 2), (0, 1)), ((8, 8), (4, 8), (2, 0))],
)
def test_of_an_odd_rest_the_smaller_half_lies_above_and_left(whole, part, corner):
    assert centre(whole, part) == corner
    pixels, (top, left) = picture(*whole), corner
    window = pixels[top : top + part[0], left : left + part[1]]
    assert np.array_equal(fit(Image.fromarray(pixels), part, part), window)
    assert np.array_equal(fit_array(pixels[None], part, part)[0], window)


def test_a_long_thin_image_stays_small():
    assert fit(Image.new("RGB", (1, 500_000)), (64, 64)).size == (64, 64)  # covering first would need 6 GB


def test_refuses_a_crop_larger_than_the_image():
    with pytest.raises(UsageError, match=r"160x160 .* image of 218x100"):
        fit(Image.fromarray(picture(218, 100)), (32, 32), (160, 160))
    with pytest.raises(UsageError, match=r"40x32 .* image of 32x32"):
        fit_array(np.zeros((2, 32, 32, 3), np.uint8), (32, 32), (40, 32))


def test_array_with_nothing_to_do_is_returned_itself():
    images = picture(6 * 8, 10).reshape(6, 8, 10, 3)
    assert fit_array(images, (8, 10)) is images
    assert fit_array(images, (8, 10), (8, 10)) is images


@pytest.mark.parametrize(("size", "crop"), [((8, 6), None), ((12, 20), None), ((4, 6), (4, 6)), ((6, 6), (7, 9))])
def test_array_is_treated_as_its_images_one_by_one(size, crop):
    images = picture(5 * 8, 10).reshape(5, 8, 10, 3)
    before = images.copy()
    fitted = fit_array(images, size, crop)
    assert fitted.flags.c_contiguous
    assert fitted.dtype == np.uint8
    for k in range(5):
        assert np.array_equal(fitted[k], np.asarray(fit(Image.fromarray(images[k]), size, crop)))
    assert np.array_equal(images, before)


def test_colour_modes():
    grey = to_rgb(Image.new("L", (2, 2), 77))
    assert grey.mode == "RGB"
    assert grey.getpixel((0, 0)) == (77, 77, 77)
    assert to_rgb(Image.new("CMYK", (2, 2), (0, 255, 255, 0))).getpixel((0, 0)) == (255, 0, 0)
    assert to_rgb(Image.new("1", (2, 2), 1)).getpixel((0, 0)) == (255, 255, 255)


def test_alpha_is_flattened_on_black():
    assert to_rgb(Image.new("RGBA", (2, 2), (200, 100, 50, 0))).getpixel((0, 0)) == (0, 0, 0)
    assert to_rgb(Image.new("RGBA", (2, 2), (200, 100, 50, 255))).getpixel((0, 0)) == (200, 100, 50)
    assert to_rgb(Image.new("LA", (2, 2), (200, 128))).getpixel((0, 0)) == (100, 100, 100)


def test_transparent_palette_colour_is_black():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    assert to_rgb(image).getpixel((1, 0)) == (200, 100, 50)
    image.info["transparency"] = 1
    assert to_rgb(image).getpixel((1, 0)) == (0, 0, 0)
    assert to_rgb(image).getpixel((0, 0)) == (10, 20, 30)


def test_16_bit_grey_keeps_its_upper_half():
    image = Image.fromarray(np.array([[0, 255, 256, 40_000, 65_535]], np.uint16))
    assert np.asarray(to_rgb(image))[0, :, 0].tolist() == [0, 0, 1, 156, 255]
