import json

import numpy as np
import pytest
from scipy import ndimage

from tinygan.evaluation import measures
from tinygan.evaluation.measures import measure, measure_table, sliced_wasserstein


@pytest.fixture(autouse=True)
def fewer(monkeypatch):
    monkeypatch.setattr(sliced_wasserstein, "DIRECTIONS", 16)
    monkeypatch.setattr(sliced_wasserstein, "PATCHES", 3000)


def test_every_measure_beside_its_floor(drawn):
    soft = ndimage.gaussian_filter(drawn[600:].astype(float), (0, 1.5, 1.5, 0)).round().astype(np.uint8)
    result = measure(drawn[:300], drawn[300:600], soft)
    fake, floor = result["fake"], result["floor"]
    assert set(fake) == set(floor) == {"moments", "spectrum", "sliced_wasserstein", "ms_ssim", "nearest_neighbour"}
    assert fake["sliced_wasserstein"]["mean"] > 1.3 * floor["sliced_wasserstein"]["mean"]
    assert fake["spectrum"]["high"] > 10 * floor["spectrum"]["high"]
    assert fake["nearest_neighbour"]["pixels"]["fake"] > 0.8 > 0.65 > floor["nearest_neighbour"]["pixels"]["fake"]
    assert max(fake["moments"]["deviation"]) < -2 < min(floor["moments"]["deviation"])


def test_json_can_hold_it_and_the_seed_decides_it(drawn):
    sets = drawn[:8], drawn[8:16], drawn[16:24]
    result = measure(*sets, seed=4)
    assert json.loads(json.dumps(result, allow_nan=False))["seed"] == 4
    assert json.dumps(result) == json.dumps(measure(*sets, seed=4))
    assert json.dumps(result) != json.dumps(measure(*sets, seed=5) | {"seed": 4})


def test_the_seed_reaches_everything_that_draws(drawn, monkeypatch):
    seen = []
    for name in ("sliced_wasserstein_distance", "mean_ms_ssim", "nearest_neighbour_test"):
        monkeypatch.setattr(measures, name, lambda *arguments, name=name: seen.append((name, arguments[-1])))
    measure(drawn[:4], drawn[4:8], drawn[8:12], seed=9)
    assert len(seen) == 6
    assert {seed for _, seed in seen} == {9}


def test_ms_ssim_is_of_the_candidates_alone(drawn):
    result = measure(drawn[:8], drawn[8:16], drawn[16:24])
    assert result["fake"]["ms_ssim"] == measures.mean_ms_ssim(drawn[16:24])
    assert result["floor"]["ms_ssim"] == measures.mean_ms_ssim(drawn[8:16])


def test_floor_is_other_real_against_real(drawn):
    result = measure(drawn[:20], drawn[20:40], drawn[20:40])
    assert result["fake"] == result["floor"]
    other = measure(drawn[:20], drawn[40:60], drawn[20:40])
    assert other["fake"] == result["fake"]
    assert other["floor"] != result["floor"]


def test_the_table_shows_each_sets_own_dead_pixels(drawn):
    framed = drawn[:60].copy()
    framed[:, :8] = 0
    result = measure(framed[:20], drawn[20:40], framed[40:])
    (line,) = (line for line in measure_table(result) if line.startswith("dead pixels"))
    assert line.split()[2:4] == ["0.250", "0.000"]  # of the fakes and of the other real images, not differences


def test_cut_to_the_smallest_set(drawn):
    result = measure(drawn[:30], drawn[100:120], drawn[200:240])
    assert result["count"] == 20
    assert result["given"] == {"real": 30, "other_real": 20, "fake": 40}
    alone = measure(drawn[:20], drawn[100:120], drawn[200:220])
    assert (alone["fake"], alone["floor"]) == (result["fake"], result["floor"])


@pytest.mark.parametrize("which", [0, 1, 2])
def test_bad_sets_are_refused(drawn, which):
    sets = [drawn[:4], drawn[4:8], drawn[8:12]]
    for bad, message in ((sets[which].astype(float), "uint8"), (sets[which][:1], "at least 2"), (None, "uint8")):
        with pytest.raises(ValueError, match=message):
            measure(*[*sets[:which], bad, *sets[which + 1 :]])
    with pytest.raises(ValueError, match="image size"):
        measure(*[*sets[:which], sets[which][:, :16, :16], *sets[which + 1 :]])
