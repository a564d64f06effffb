"""The running loss beside other measures of the same iterations."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from experiments import agreement, collect
from tests.evaluation.test_comparison import make_run
from tinygan.data import shapes
from tinygan.errors import TinyganError
from tinygan.evaluation.runsummary import read_run
from tinygan.images import save_grid
from tinygan.report.tables import AGREEMENT


@pytest.fixture
def run(tmp_path):
    """A run whose running loss falls."""
    path = make_run(tmp_path / "run", running=(0.05, 0.04, 0.03, 0.02), final=None, options={"image_size": [32, 32]})
    shutil.rmtree(path / "samples")
    return path


@pytest.fixture
def grids(run):
    """That run with samples, which lose their noise."""
    (run / "samples").mkdir()
    drawn, rng = shapes.draw(0, range(100))[0].astype(float), np.random.default_rng(0)
    save_grid(run / "samples/reals.png", drawn[:50].astype(np.uint8))
    for step, noise in enumerate((90, 60, 30, 5), start=1):
        images = np.clip(drawn[50:] + rng.normal(0, noise, drawn[50:].shape), 0, 255).astype(np.uint8)
        save_grid(run / f"samples/{100 * step:06d}.png", images)
    return run


def measured_at(run, iteration, distance, name="", count=2000):
    """What ``evaluate.py measures`` leaves of a checkpoint."""
    fake = {"sliced_wasserstein": {"mean": distance}, "ms_ssim": {"mean": 0.1}}
    file = run / "evaluation" / f"measures-{iteration:06d}{name}.json"
    file.write_text(json.dumps({"iteration": iteration, "count": count, "fake": fake}))
    return file


def test_a_loss_that_falls_with_the_noise_agrees(grids, capsys, monkeypatch):
    agreement.main([str(grids)])
    assert "grids, 4 iterations: sliced_wasserstein +1.000" in capsys.readouterr().out
    found = json.loads((grids / "evaluation" / AGREEMENT).read_text())["grids"]
    assert found["iterations"] == [100, 200, 300, 400]
    for measure in agreement.MEASURES:
        expected = stats.spearmanr(found["running_loss"], found[measure]).statistic
        assert found["rank_correlation"][measure] == pytest.approx(expected)

    measured = []
    monkeypatch.setattr(agreement, "mean_ms_ssim", lambda images: measured.append(images) or {"mean": 0.5})
    Image.open(grids / "samples/000400.png").save(grids / "samples/000500.png")
    agreement.agreement(read_run(grids))
    assert measured == []  # what is known is not measured again; 500 has no running test


def test_measures_of_checkpoints_are_read(run):
    for iteration, distance in ((100, 9.0), (200, 4.0), (400, 5.0)):
        measured_at(run, iteration, distance)
    found = agreement.agreement(read_run(run))["checkpoints"]
    assert found["iterations"] == [100, 200, 400]
    assert found["rank_correlation"] == {"sliced_wasserstein": pytest.approx(0.5), "ms_ssim": None}


def test_of_several_measures_of_an_iteration_the_newest_counts(run):
    for iteration in (100, 200, 300):
        for age, (name, distance) in enumerate({"-seed2": 9.0 - iteration / 100, "": 4.0, "-seed3": 7.0}.items()):
            os.utime(measured_at(run, iteration, distance, name), (100 - age, 100 - age))
    found = agreement.agreement(read_run(run))["checkpoints"]
    assert found["sliced_wasserstein"] == [8.0, 7.0, 6.0]


def test_distances_of_other_counts_of_images_are_not_ranked_together(run):
    """A sliced Wasserstein distance of fewer images is larger."""
    for iteration in (100, 200, 300):
        measured_at(run, iteration, 10.0 - iteration / 100)
    agreement.agreement(read_run(run))
    measured_at(run, 200, 90.0, "-count50", count=50)
    measured_at(run, 400, 90.0, "-count50", count=50)
    assert agreement.agreement(read_run(run))["checkpoints"]["sliced_wasserstein"] == [9.0, 8.0, 7.0]


def test_latest_is_a_run_too(run, capsys, monkeypatch):
    monkeypatch.chdir(run.parent)
    for iteration in (100, 200, 300):
        measured_at(run, iteration, 1.0)
    (run / "checkpoints").mkdir()
    (run / "checkpoints/last.safetensors").touch()
    run.rename(run.parent / "00003-shapes-wn")
    (run.parent / "runs").mkdir()
    (run.parent / "00003-shapes-wn").rename(run.parent / "runs" / "00003-shapes-wn")
    agreement.main(["latest"])
    assert "00003-shapes-wn: checkpoints, 3 iterations" in capsys.readouterr().out
    collect.main(["latest", "--results", "kept"])
    assert (run.parent / "kept/00003-shapes-wn/log.jsonl").exists()


def test_a_grid_is_read_as_it_was_written(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (20, 6, 8, 3), np.uint8)
    save_grid(tmp_path / "grid.png", images)
    np.testing.assert_array_equal(agreement.images_of(tmp_path / "grid.png", 6, 8), images)
    with pytest.raises(TinyganError, match=r"grid\.png is no grid of 7x6 images"):
        agreement.images_of(tmp_path / "grid.png", 6, 7)


def test_a_damaged_file_is_named(run):
    (run / "evaluation" / AGREEMENT).write_text('{"grids":')
    with pytest.raises(TinyganError, match=r"agreement\.json is damaged .*: delete it"):
        agreement.main([str(run)])


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("measures-000100.json", '{"iteration": 100}'),
        ("measures-000100.json", '{"iteration": 100, "fake": {"ms_ssim": {}, "sliced_wasserstein": {"mean": 1}}}'),
        (AGREEMENT, '{"grids": {"iterations": [100]}}'),
        (AGREEMENT, '{"grids": 3}'),
    ],
)
def test_a_file_that_is_something_else_is_named(run, file, content):
    (run / "evaluation" / file).write_text(content)
    with pytest.raises(TinyganError, match=rf"{file} is damaged .*: delete it"):
        agreement.main([str(run)])


def test_what_a_stored_result_lacks_is_measured_again(grids, monkeypatch):
    monkeypatch.setattr(agreement, "sliced_wasserstein_distance", lambda real, fake: {"mean": float(fake.std())})
    monkeypatch.setattr(agreement, "mean_ms_ssim", lambda fake: {"mean": float(fake.mean())})
    whole = agreement.agreement(read_run(grids))
    short = {"grids": whole["grids"] | {"ms_ssim": whole["grids"]["ms_ssim"][:2]}}
    (grids / "evaluation" / AGREEMENT).write_text(json.dumps(short))
    assert agreement.agreement(read_run(grids)) == whole


def test_what_was_measured_is_kept_when_its_sources_are_gone(grids):
    """As in a collected run, which keeps two of the grids."""
    for iteration in (100, 200, 300):
        measured_at(grids, iteration, 9.0 - iteration)
    whole = agreement.agreement(read_run(grids))
    for file in [*grids.glob("samples/000[123]*"), *grids.glob("evaluation/measures-*")]:
        file.unlink()
    assert agreement.agreement(read_run(grids)) == whole
    (grids / "evaluation" / AGREEMENT).unlink()
    assert agreement.agreement(read_run(grids)) == {}
    assert not (grids / "evaluation" / AGREEMENT).exists()


def test_the_empty_cells_of_a_small_sets_grid_are_no_images(grids, monkeypatch):
    config = json.loads((grids / "config.json").read_text())
    config["data"]["images"]["train"] = 47
    (grids / "config.json").write_text(json.dumps(config))
    seen = []
    monkeypatch.setattr(
        agreement,
        "sliced_wasserstein_distance",
        lambda real, fake: seen.append((len(real), len(fake))) or {"mean": 1.0},
    )
    agreement.agreement(read_run(grids))
    assert set(seen) == {(47, 47)}


def test_nobody_is_told_to_delete_a_picture_that_is_missing(grids):
    (grids / "samples/reals.png").unlink()
    with pytest.raises(TinyganError, match=r"reals\.png is missing: restore it"):
        agreement.main([str(grids)])


def test_a_damaged_grid_is_named(grids):
    file = grids / "samples/000300.png"
    file.write_bytes(file.read_bytes()[:300])
    with pytest.raises(TinyganError, match=r"cannot read the picture .*000300\.png"):
        agreement.main([str(grids)])


@pytest.mark.parametrize("count", [2, 3, 10, 101])
def test_the_rank_correlation_is_scipys(count):
    rng = np.random.default_rng(count)
    x = rng.standard_normal(count)
    y = x + rng.standard_normal(count)
    assert agreement.rank_correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    x, y = np.round(np.concatenate([x, [9, 9]])), np.round(np.concatenate([y, [9, 9]]))  # with equal values
    assert agreement.rank_correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


def test_the_rank_correlation_is_not_defined_for_a_constant():
    assert agreement.rank_correlation(np.ones(5), np.arange(5.0)) is None
    assert agreement.rank_correlation(np.ones(1), np.ones(1)) is None
