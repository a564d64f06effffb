"""How good are generated images? Measures that need no pretrained network, only the images.

    moments.py             tint, contrast, dead pixels
    spectrum.py            checkerboards, missing or excess high frequencies
    sliced_wasserstein.py  texture and structure, scale by scale
    ms_ssim.py             collapse: are the images too much alike?
    nearest_neighbour.py   collapse, and copies of the real images given: whose neighbours are whose?
    modes.py               the embedded data set only: which of its 1024 modes are covered?

    inputs.py filters.py pca.py   what they share: checks and blocks, pyramid and window, whitened features

Each is blind to something that another sees, and says so at the top of its file; none replaces a look at the images.
Everything takes uint8 (N, H, W, 3) on the host, two sets of one shape, and raises InputError for other or too small
ones; it is a function of images and seed, which decides patches, directions, pairs, and returns what JSON can hold.
No number stands alone: the same measure of two disjoint real sets is the floor that a perfect generator would reach.
"""

import numpy as np

from tinygan.evaluation.measures.inputs import check
from tinygan.evaluation.measures.moments import moment_differences
from tinygan.evaluation.measures.ms_ssim import mean_ms_ssim
from tinygan.evaluation.measures.nearest_neighbour import nearest_neighbour_test
from tinygan.evaluation.measures.sliced_wasserstein import sliced_wasserstein_distance
from tinygan.evaluation.measures.spectrum import spectrum_difference


def measure(real: np.ndarray, other_real: np.ndarray, fake: np.ndarray, seed: int = 0) -> dict:
    """Every measure of the fakes against real images, and of other real images against the same ones: the floor.

    All three sets, of one image size, at least 8 pixels and 2 images, are cut to the first N images, N the smallest
    count, since most measures depend on the count. So each should be in random order, and the two real sets disjoint.

    Returns ``count``: N; ``given``: how many there were of each; ``seed``; ``fake`` and ``floor``: by measure's name
    its dict. ``ms_ssim`` is of one set: the fakes' and the other real images'.
    """
    sets = {"real": real, "other_real": other_real, "fake": fake}
    for images in sets.values():
        check(images, at_least=2)
    given = {name: len(images) for name, images in sets.items()}
    count = min(given.values())
    real, other_real, fake = (images[:count] for images in sets.values())
    return {
        "count": count,
        "given": given,
        "seed": seed,
        "fake": _compare(real, fake, seed),
        "floor": _compare(real, other_real, seed),
    }


def measure_table(result: dict) -> list[str]:
    """Lines for a terminal: the main figures of :func:`measure`; the JSON holds all of them."""
    rows = [("measure", "generated", "real", "what it means")]
    for name, pick, meaning in FIGURES:
        rows.append((name, f"{pick(result['fake']):.3f}", f"{pick(result['floor']):.3f}", meaning))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d}".rstrip() for a, b, c, d in rows]
    return [*lines, f"{result['count']} images each beside held-out ones ('real': training images); copies do not show"]


def _compare(real: np.ndarray, candidate: np.ndarray, seed: int) -> dict:
    return {
        "moments": moment_differences(real, candidate),
        "spectrum": spectrum_difference(real, candidate),
        "sliced_wasserstein": sliced_wasserstein_distance(real, candidate, seed),
        "ms_ssim": mean_ms_ssim(candidate, seed),
        "nearest_neighbour": nearest_neighbour_test(real, candidate, seed),
    }


FIGURES = (
    ("channel mean, largest difference", lambda m: max(map(abs, m["moments"]["mean"])), "of 255; tint, brightness"),
    ("channel deviation, largest difference", lambda m: max(map(abs, m["moments"]["deviation"])), "of 255; contrast"),
    ("dead pixels", lambda m: m["moments"]["fake"]["dead"], "share that never changes"),
    ("spectrum, low frequencies", lambda m: m["spectrum"]["low"], "dB; composition"),
    ("spectrum, middle frequencies", lambda m: m["spectrum"]["mid"], "dB; texture"),
    ("spectrum, high frequencies", lambda m: m["spectrum"]["high"], "dB; checkerboards, blur"),
    ("sliced Wasserstein distance", lambda m: m["sliced_wasserstein"]["mean"], "×10³; lower is nearer to real"),
    ("MS-SSIM between pairs", lambda m: m["ms_ssim"]["mean"], "well above real: collapse"),
    ("1-NN test, pixels", lambda m: m["nearest_neighbour"]["pixels"]["both"], "0.5 ideal, 1 misfit"),
    ("1-NN test, whitened PCA", lambda m: m["nearest_neighbour"]["pca"]["both"], "0.5 ideal, 1 misfit"),
)
