import numpy as np
import pytest
from scipy import ndimage

from tinygan.evaluation.measures import ms_ssim as module
from tinygan.evaluation.measures.ms_ssim import mean_ms_ssim, ms_ssim, scales


def reference(x: np.ndarray, y: np.ndarray, count: int) -> float:
    """MS-SSIM of one pair, straight from the formula, with SciPy's Gaussian."""
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])[:count]
    result, x, y = 1.0, x.astype(float), y.astype(float)
    for k, weight in enumerate(weights / weights.sum()):

        def local(values):
            return ndimage.gaussian_filter(values, (1.5, 1.5, 0), radius=(5, 5, 0))[5:-5, 5:-5]

        mx, my = local(x), local(y)
        sxx, syy, sxy = local((x - 128) ** 2), local((y - 128) ** 2), local((x - 128) * (y - 128))
        sxx, syy, sxy = sxx - (mx - 128) ** 2, syy - (my - 128) ** 2, sxy - (mx - 128) * (my - 128)
        cs = (2 * sxy + 58.5225) / (sxx + syy + 58.5225)
        luminance = (2 * mx * my + 6.5025) / (mx**2 + my**2 + 6.5025)
        result *= max((cs if k < count - 1 else cs * luminance).mean(), 0) ** weight
        height, width = x.shape[0] // 2 * 2, x.shape[1] // 2 * 2
        x, y = (ndimage.uniform_filter(v[:height, :width], (2, 2, 1), origin=(-1, -1, 0))[::2, ::2] for v in (x, y))
    return result


def test_agrees_with_the_formula(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 2)
    base = np.random.default_rng(0).integers(0, 200, (3, 47, 50, 3))
    other = np.clip(base + np.random.default_rng(1).normal(10, [[[[5]]], [[[40]]], [[[90]]]], base.shape), 0, 255)
    a, b = base.astype(np.uint8), other.astype(np.uint8)
    monkeypatch.setattr(module, "SMALLEST", 11)  # so that the whole window fits everywhere
    expected = [reference(x, y, 3) for x, y in zip(a, b, strict=True)]
    assert scales(47, 50) == 3
    assert ms_ssim(a, b) == pytest.approx(expected, rel=1e-9)
    assert min(expected) < 0.7
    assert max(expected) > 0.9


@pytest.mark.parametrize(("side", "count"), [(7, 0), (8, 1), (16, 2), (31, 2), (32, 3), (64, 4), (128, 5), (512, 5)])
def test_scales_by_size(side, count):
    assert scales(side, side + 9) == scales(side + 9, side) == count


def test_windows_shrink_with_the_image():
    """At 8 pixels the whole image is one window: SSIM from weighted moments."""
    x, y = np.random.default_rng(0).integers(0, 256, (2, 1, 8, 8, 3)).astype(float)
    luminance, contrast = module.ssim_parts(x, y)
    assert luminance.shape == contrast.shape == (1, 1, 1, 3)
    taps = np.exp(-0.5 * ((np.arange(8) - 3.5) / (1.5 * 8 / 11)) ** 2)
    window = np.outer(taps, taps).ravel() / taps.sum() ** 2
    for channel in range(3):
        covariance = np.cov(x[0, ..., channel].ravel(), y[0, ..., channel].ravel(), aweights=window, ddof=0)
        expected = (2 * covariance[0, 1] + 58.5225) / (np.trace(covariance) + 58.5225)
        assert contrast[0, 0, 0, channel] == pytest.approx(expected)


def test_equal_images_have_1_and_opposite_ones_0(drawn, noise):
    assert ms_ssim(drawn[:20], drawn[:20]) == pytest.approx(np.ones(20), abs=1e-12)
    assert ms_ssim(noise, 255 - noise).max() == 0
    assert np.array_equal(ms_ssim(drawn[:20], drawn[20:40]), ms_ssim(drawn[20:40], drawn[:20]))


def test_collapse_is_1_and_dropped_variety_is_seen(drawn):
    assert mean_ms_ssim(np.repeat(drawn[:1], 30, axis=0))["mean"] == pytest.approx(1)
    real = mean_ms_ssim(drawn)
    collapsed = mean_ms_ssim(np.repeat(drawn[:4], 200, axis=0))
    assert collapsed["mean"] > real["mean"] + 5 * real["standard_error"]
    assert (real["pairs"], real["scales"]) == (450, 3)


def test_pairs_are_disjoint_and_seeded(drawn, monkeypatch):
    seen = []
    monkeypatch.setattr(module, "ms_ssim", lambda a, b: seen.append((a, b)) or np.arange(len(a), dtype=float))
    monkeypatch.setattr(module, "PAIRS", 30)
    images = np.zeros((101, 16, 16, 3), np.uint8)
    images[:] = np.arange(101, dtype=np.uint8)[:, None, None, None]
    result = mean_ms_ssim(images, seed=5)
    used = np.concatenate(seen[0])[:, 0, 0, 0]
    assert len(used) == len(set(used.tolist())) == 60
    assert result["mean"] == 14.5
    assert result["standard_error"] == pytest.approx(np.sqrt(np.arange(30).var(ddof=1) / 30))
    mean_ms_ssim(images, seed=5)
    mean_ms_ssim(images, seed=6)
    assert np.array_equal(seen[0], seen[1])
    assert not np.array_equal(seen[0], seen[2])


def test_one_pair_has_no_error_and_bad_sets_are_refused(drawn):
    assert mean_ms_ssim(drawn[:3])["standard_error"] is None
    with pytest.raises(ValueError, match="at least 2 images"):
        mean_ms_ssim(drawn[:1])
    with pytest.raises(ValueError, match="at least 8 pixels"):
        mean_ms_ssim(drawn[:4, :7])
    with pytest.raises(ValueError, match="same count"):
        ms_ssim(drawn[:4], drawn[:3])
