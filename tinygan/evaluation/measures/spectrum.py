"""Radially averaged power spectrum: checkerboards and missing or excess high frequencies.

Upsampling leaves its period in the spectrum (Durall et al. 2020, 2003.01826; Schwarz et al. 2021, 2111.02447): a
checkerboard of period 2 is a peak at 0.5 cycles per pixel along an axis, and at 0.71, the very corner, if along both.
JPEG and resizing shape the real images' spectrum too; both sets must have gone through the same.
"""

import numpy as np

from tinygan.errors import InputError
from tinygan.evaluation.measures.inputs import blocks, check, check_pair

LUMA = np.array([0.299, 0.587, 0.114])  # grey of red, green, blue: Rec. 601
BANDS = {"low": (0.0, 0.125), "mid": (0.125, 0.25), "high": (0.25, 0.75)}  # cycles per pixel, above and up to
ROUNDING = 1 / 12  # variance of rounding to whole numbers


def power_spectrum(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in cycles per pixel, and the mean power spectrum of the grey images over rings around them, in dB.

        power(f) = 10 log10(mean over images and the ring |f'| ≈ f of |FFT(w · (grey - mean))|² / Σ w² + 1/12)

    w is a Hann window in both directions, which keeps an image's edges from showing as a cross of high frequencies;
    the mean is each image's own, weighted by w. So white noise of variance σ² is flat at 10 log10(σ² + 1/12). The 1/12
    is the power of rounding to 8 bits: what lies below it cannot be told from nothing. Frequencies are the multiples of
    1 / min(H, W) above 0 up to the corner's 0.71; H and W at least 4.
    """
    check(images)
    height, width = images.shape[1:3]
    side = min(height, width)
    if side < 4:
        raise InputError(f"images must be at least 4 pixels high and wide, not {(height, width)}")
    window = np.outer(_hann(height), _hann(width))
    power = np.zeros((height, width))
    for block in blocks(images):
        grey = block @ LUMA
        grey -= (grey * window).sum((1, 2), keepdims=True) / window.sum()
        power += np.square(np.abs(np.fft.fft2(grey * window))).sum(0)
    power /= len(images) * np.square(window).sum()
    rings = np.rint(np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)) * side).astype(int).ravel()
    mean = np.bincount(rings, power.ravel()) / np.bincount(rings)
    return np.arange(1, len(mean)) / side, 10 * np.log10(mean[1:] + ROUNDING)


def spectrum_difference(real: np.ndarray, fake: np.ndarray) -> dict:
    """Mean absolute difference of two sets' spectra by band, in decibels; H and W at least 4.

    Returns ``low`` (up to 1/8 cycle per pixel: structure over 8 pixels and more), ``mid`` (up to 1/4) and ``high``
    (periods below 4 pixels), each at least 0, or None for a band without a ring (images below 8 pixels); ``real`` and
    ``fake``: the power at each of ``frequency``.
    """
    check_pair(real, fake)
    (frequency, ours), (_, theirs) = power_spectrum(real), power_spectrum(fake)
    difference = np.abs(ours - theirs)
    result = {}
    for band, (start, end) in BANDS.items():
        inside = (frequency > start) & (frequency <= end)
        result[band] = float(difference[inside].mean()) if inside.any() else None
    return {**result, "frequency": frequency.tolist(), "real": ours.tolist(), "fake": theirs.tolist()}


def _hann(size: int) -> np.ndarray:
    """sin²(π (k + ½) / size): symmetric, and no pixel has weight 0."""
    return np.square(np.sin(np.pi * (np.arange(size) + 0.5) / size))
