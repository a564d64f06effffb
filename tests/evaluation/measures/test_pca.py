import numpy as np
import pytest

from tinygan.evaluation.measures import inputs, pca


@pytest.fixture
def correlated() -> np.ndarray:
    """200 images 8x8 with 6 clear directions of falling variance above little noise."""
    random = np.random.default_rng(0)
    shape = random.normal(size=(6, 192)) * np.array([30, 20, 14, 9, 6, 4])[:, None]
    values = 128 + random.normal(size=(200, 6)) @ shape / 4 + random.normal(0, 0.5, (200, 192))
    return np.clip(values, 0, 255).round().astype(np.uint8).reshape(200, 8, 8, 3)


def test_directions_are_those_of_the_svd(correlated, monkeypatch):
    monkeypatch.setattr(inputs, "BLOCK", 64)
    monkeypatch.setattr(pca, "COMPONENTS", 6)
    whitening = pca.fit(correlated)
    rows = correlated.reshape(200, -1).astype(float)
    rows -= rows.mean(0)
    _, lengths, directions = np.linalg.svd(rows, full_matrices=False)
    expected = directions[:6].T / lengths[:6] * np.sqrt(199)
    signs = np.sign((whitening.directions * expected).sum(0))
    assert np.allclose(whitening.directions * signs, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def test_features_of_the_fitted_set_are_white(drawn):
    features = pca.fit(drawn)(drawn)
    assert features.shape == (900, 64)
    assert np.allclose(features.mean(0), 0, atol=1e-3)
    assert np.allclose(np.cov(features.T), np.eye(64), atol=2e-3)


def test_few_images_and_directions_without_variance(drawn):
    assert pca.fit(drawn[:5])(drawn[:7]).shape == (7, 4)
    still = np.repeat(drawn[:1], 10, axis=0)
    assert not pca.fit(still)(drawn[:7]).any()
    pair = np.concatenate([np.repeat(drawn[:1], 5, axis=0), np.repeat(drawn[1:2], 5, axis=0)])
    assert pca.fit(pair)(pair).any(0).tolist() == [True] + [False] * 8


def test_seed_decides_and_too_few_are_refused(drawn):
    assert np.array_equal(pca.fit(drawn, seed=1).directions, pca.fit(drawn, seed=1).directions)
    assert not np.array_equal(pca.fit(drawn, seed=1).directions, pca.fit(drawn, seed=2).directions)
    with pytest.raises(ValueError, match="at least 2 images"):
        pca.fit(drawn[:1])
