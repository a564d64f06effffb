import numpy as np
import pytest
from scipy import ndimage

from tinygan.evaluation.measures import spectrum as module
from tinygan.evaluation.measures.spectrum import power_spectrum, spectrum_difference


def grey(values: np.ndarray) -> np.ndarray:
    """uint8 (N, H, W, 3) of (N, H, W)."""
    return np.repeat(np.clip(values, 0, 255).round()[..., None], 3, axis=3).astype(np.uint8)


def test_agrees_with_the_formula_written_out():
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 10, 3), np.uint8)
    y, x = np.mgrid[:8, :10]
    window = np.sin(np.pi * (y + 0.5) / 8) ** 2 * np.sin(np.pi * (x + 0.5) / 10) ** 2
    rings = {k: [] for k in range(7)}
    for v in range(-4, 4):
        for u in range(-5, 5):
            wave = np.exp(-2j * np.pi * (v * y / 8 + u * x / 10))
            for image in images @ [0.299, 0.587, 0.114]:
                centred = image - np.average(image, weights=window)
                power = abs((window * centred * wave).sum()) ** 2 / (window**2).sum()
                rings[round(8 * np.hypot(v / 8, u / 10))].append(power)
    expected = [10 * np.log10(np.mean(rings[k]) + 1 / 12) for k in range(1, 7)]
    assert power_spectrum(images)[1] == pytest.approx(expected)


def test_white_noise_is_flat_at_its_variance():
    noise = 128 + np.random.default_rng(0).normal(0, 20, (1600, 24, 32))
    spectrum = power_spectrum(grey(noise))
    assert spectrum[0] == pytest.approx(np.arange(1, 18) / 24)
    # The corner's ring holds one real value per image, of relative deviation √2: over 1600 images 3.5 %, 0.15 dB.
    # The lowest ring has lost part of its power to the removed mean, whose neighbour it is under the window.
    assert spectrum[1][1:] == pytest.approx([10 * np.log10(400 + 1 / 12 + 1 / 12)] * 16, abs=4 * 0.15)


@pytest.mark.parametrize("period", [2, 4, 8])
def test_a_wave_peaks_at_its_frequency(period):
    wave = 128 + 40 * np.cos(2 * np.pi * np.arange(32) / period)
    spectrum = power_spectrum(grey(np.broadcast_to(wave, (3, 32, 32))))
    assert spectrum[0][int(np.argmax(spectrum[1]))] == 1 / period


def test_bands_divide_the_rings_at_periods_of_8_and_4_pixels(drawn, monkeypatch):
    """Spectra that differ by 1, 2, 3... decibels, up and down in turn, at the multiples of 1/32."""
    steps = np.arange(1, 24)
    spectra = iter([(steps / 32, np.zeros(23)), (steps / 32, steps * (-1.0) ** steps)])
    monkeypatch.setattr(module, "power_spectrum", lambda images: next(spectra))
    result = spectrum_difference(drawn[:1], drawn[:1])
    assert [result[band] for band in ("low", "mid", "high")] == [2.5, 6.5, 16.0]  # means of 1-4, 5-8, 9-23


def test_edges_of_the_image_do_not_pass_for_high_frequencies():
    """A ramp jumps from 248 back to 0 at the border, as the transform sees it; only the window takes that out."""
    ramp = grey(np.broadcast_to(8.0 * np.arange(32), (2, 32, 32)))
    assert np.max(power_spectrum(ramp)[1][8:]) < -8  # little above the -10.8 dB of rounding; 20 dB without window


def test_checkerboard_peaks_in_the_corner_and_in_the_high_band(drawn):
    board = 8 * (np.indices((32, 32)).sum(0) % 2)
    images = drawn[:200] // 2
    marked = (images + board[:, :, None]).astype(np.uint8)
    result = spectrum_difference(images, marked)
    assert result["high"] > 2
    assert result["low"] < 0.2
    gap = np.subtract(result["fake"], result["real"])
    assert gap.argmax() >= len(gap) - 3
    assert gap.max() > 20
    assert result["frequency"][-1] == pytest.approx(np.sqrt(0.5), abs=1 / 64)


def test_blur_takes_the_high_band(drawn):
    soft = ndimage.gaussian_filter(drawn[:200].astype(float), (0, 1, 1, 0)).round().astype(np.uint8)
    result = spectrum_difference(drawn[:200], soft)
    assert result["high"] > result["mid"] > result["low"]
    assert np.subtract(result["fake"], result["real"]).max() < 0.5
    floor = spectrum_difference(drawn[:200], drawn[200:400])
    assert result["high"] > 10 * floor["high"]


def test_contrast_shifts_all_and_brightness_nothing(drawn):
    images = drawn[:100] // 4
    assert spectrum_difference(images, images + np.uint8(90))["high"] == pytest.approx(0, abs=1e-9)
    doubled = spectrum_difference(images, images * 2)
    assert doubled["low"] == pytest.approx(20 * np.log10(2), abs=0.01)


def test_grey_is_the_luma_of_rec_601(drawn):
    for channel, share in enumerate((0.299, 0.587, 0.114)):
        single = np.zeros((50, 32, 32, 3), np.uint8)
        single[..., channel] = drawn[:50, ..., 0]
        gap = np.subtract(power_spectrum(grey(drawn[:50, ..., 0]))[1], power_spectrum(single)[1])
        assert gap[:3] == pytest.approx([-20 * np.log10(share)] * 3, abs=0.05)


def test_empty_images_have_the_power_of_rounding():
    assert power_spectrum(grey(np.full((2, 16, 16), 9.0)))[1] == pytest.approx([10 * np.log10(1 / 12)] * 11)


def test_bands_without_a_ring_and_bad_sets(drawn):
    assert spectrum_difference(drawn[:2, :6, :6], drawn[2:4, :6, :6])["low"] is None
    assert min(spectrum_difference(drawn[:2, :8, :8], drawn[2:4, :8, :8])[band] for band in ("low", "mid", "high")) >= 0
    with pytest.raises(ValueError, match="at least 4 pixels"):
        power_spectrum(drawn[:2, :3])
    with pytest.raises(ValueError, match="same count"):
        spectrum_difference(drawn[:2], drawn[:3])
    assert spectrum_difference(drawn[:9], drawn[:9])["mid"] == 0
