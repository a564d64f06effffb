"""The embedded data set: 1024 known modes, drawn instead of downloaded.

Each 32x32 image shows one of 8 figures in one of 8 colours at one of 16 places, moved, turned, scaled and lit a
little at random, on a dark background. A generator's images can be decoded by the nearest of 1024 templates, which
counts exactly how many modes it covers: the idea of stacked MNIST (Metz et al. 2017, 1611.02163, 1000 modes), with no
trained classifier in between.
"""

import numpy as np

from tinygan.data.figures import FIGURES
from tinygan.data.imageset import ImageSet

SIDE = 32
IMAGES = 50_000
COLOURS = np.array(
    [
        (222, 44, 60),  # red
        (242, 126, 22),  # orange
        (250, 230, 84),  # yellow
        (66, 190, 88),  # green
        (64, 214, 226),  # cyan
        (66, 96, 236),  # blue
        (188, 72, 228),  # violet
        (244, 240, 232),  # white
    ],
    np.float32,
)
GRID = (7.0, 13.0, 19.0, 25.0)  # the places' centres in both directions, pixels
RADIUS = 5.9  # pixels
BACKGROUND = np.array((26, 28, 36), np.float32)
# label = (figure · 8 + colour) · 16 + place, place = row · 4 + column
MODES = len(FIGURES) * len(COLOURS) * len(GRID) ** 2

# What varies at random, uniform within this of its middle; each takes a 64-bit word of the image's, after the mode's.
RANGES = {
    "left-right": 0.6,  # pixels
    "up-down": 0.6,
    "size": 0.08,  # share of the radius
    "turn": 0.06,  # tangent of half the angle: ± 7°
    "light": 0.10,  # share of the colour
    "background red": 8.0,  # of 255
    "background green": 8.0,
    "background blue": 8.0,
    "slope across": 8.0,  # the background's change from the middle to the edge, of 255
    "slope down": 8.0,
}
BLOCK = 512  # images drawn at once: their pixels stay in the processor's cache


def load() -> ImageSet:
    """The first 50,000 images of seed 0."""
    images, labels = draw(0, np.arange(IMAGES))
    return ImageSet("shapes", images, labels, f"{IMAGES} drawn images of {MODES} modes, seed 0")


def draw(seed: int, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images number ``indices`` of the endless set with this seed.

    Each image is a pure function of (seed, number): the same alone, among others, in any order and on any machine.
    Returns images, uint8 (N, 32, 32, 3), and labels, int64 (N,): the modes 0 to 1023, each equally likely, see
    :func:`parts`. Raises ValueError unless the seed and the indices (N,) are non-negative integers.
    """
    indices = np.asarray(indices)
    if seed < 0 or indices.ndim != 1 or indices.dtype.kind not in "iu" or (indices.size and indices.min() < 0):
        raise ValueError("a seed and a 1-D array of indices are wanted, all non-negative integers")
    uniforms = _uniforms(seed, indices, 1 + len(RANGES))
    labels = (uniforms[:, 0] * MODES).astype(np.int64)
    return _paint(labels, 2.0 * uniforms[:, 1:] - 1.0), labels


def templates(labels: np.ndarray) -> np.ndarray:
    """The modes' images without any variation, uint8 (N, 32, 32, 3) for labels (N,)."""
    return _paint(np.asarray(labels), np.zeros((len(labels), len(RANGES))))


def decode(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mode whose template is nearest to each image, int64 (N,), and how much of it that explains, float32 (N,).

        explained = 1 - |image - template|² / |image - empty background|²,   at most 1

    for images uint8 (N, 32, 32, 3). Measured: 99 of 100 drawn images lie above 0.7; two figures in one image lie near
    0.6, the mean of two images near 0.3, noise and an empty image below 0.1.
    """
    pixels = 3 * SIDE * SIDE
    references = templates(np.arange(MODES)).reshape(MODES, pixels).astype(np.float32)
    lengths = np.square(references).sum(1)
    labels = np.empty(len(images), np.int64)
    explained = np.empty(len(images), np.float32)
    for start in range(0, len(images), BLOCK):
        rows = slice(start, start + BLOCK)
        block = images[rows].reshape(-1, pixels).astype(np.float32)
        labels[rows] = (lengths - 2.0 * block @ references.T).argmin(1)  # |image|² is the same for all templates
        rest = np.square(block - references[labels[rows]]).sum(1)
        content = np.square(block - np.tile(BACKGROUND, SIDE * SIDE)).sum(1)
        explained[rows] = 1 - rest / np.maximum(content, 1.0)
    return labels, explained


def parts(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(figure 0-7, colour 0-7, place 0-15 row by row) of each label; ValueError for a label outside 0 to 1023."""
    return np.unravel_index(labels, (len(FIGURES), len(COLOURS), len(GRID) ** 2))


def _paint(labels: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Draw uint8 (N, 32, 32, 3) from labels (N,) and chance (N, len(RANGES)) in [-1, 1)."""
    chance = (chance * np.array(list(RANGES.values()))).astype(np.float32)
    images = np.empty((len(labels), SIDE, SIDE, 3), np.uint8)
    figures, colours, places = parts(labels)
    for number, figure in enumerate(FIGURES):
        members = np.flatnonzero(figures == number)
        for start in range(0, len(members), BLOCK):
            block = members[start : start + BLOCK]
            images[block] = _paint_one_figure(figure, COLOURS[colours[block]], places[block], chance[block])
    return images


def _paint_one_figure(figure, colours: np.ndarray, places: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Draw (B, 32, 32, 3) of one figure: colours (B, 3), places (B,), chance (B, len(RANGES)) within its ranges."""
    right, down, size, turn, light = chance[:, :5].T[:, :, None, None]
    tint, slopes = chance[:, None, None, 5:8], chance[:, 8:, None, None]
    grid, axis = np.array(GRID, np.float32), np.arange(SIDE, dtype=np.float32) + np.float32(0.5)
    x = axis[None, None, :] - grid[places % 4][:, None, None] - right
    y = axis[None, :, None] - grid[places // 4][:, None, None] - down
    radius = RADIUS * (1 + size)
    cosine, sine = (1 - turn * turn) / (1 + turn * turn), 2 * turn / (1 + turn * turn)  # exact everywhere, see figures
    distance = figure((cosine * x + sine * y) / radius, (cosine * y - sine * x) / radius) * radius
    cover = np.clip(0.5 - distance, 0, 1)[..., None]
    edge = (axis - SIDE / 2) / (SIDE / 2)
    ground = (slopes[:, 0] * edge + slopes[:, 1] * edge[:, None])[..., None] + (BACKGROUND + tint)
    paint = np.minimum(colours[:, None, None, :] * (1 + light[..., None]), 255)
    return (ground + cover * (paint - ground) + 0.5).astype(np.uint8)


def _uniforms(seed: int, indices: np.ndarray, count: int) -> np.ndarray:
    """float64 (N, count) in [0, 1): the first ``count`` numbers of one SplitMix64 generator per image."""
    # SplitMix64 (Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators") adds a constant to its
    # state and scrambles the sum, so its j-th number is a function of start and j: nothing has to be drawn in order.
    start = _scramble(_scramble(np.array([seed % 2**64], np.uint64)) + indices.astype(np.uint64))
    words = _scramble(start[:, None] + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return (words >> np.uint64(11)) * 2.0**-53


def _scramble(words: np.ndarray) -> np.ndarray:
    """SplitMix64's output function on uint64 arrays; NumPy's array products wrap at 2^64, which is what is wanted."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
