"""Several seeds of a model: grouped by what makes a model, compared at one iteration, paired by image and seed."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tests.evaluation.test_comparison import IMAGES, make_run, write_final
from tinygan.evaluation.comparison import table, to_json
from tinygan.evaluation.runsummary import read_run
from tinygan.evaluation.seeds import collapsed, models, over_seeds


def seeded(folder: Path, norm: str, seed: int, running=(0.03, 0.02), final=None, images=IMAGES, **options) -> Path:
    """A run of this seed; ``final``: the loss of its last checkpoint."""
    path = make_run(folder, norm, running, None, options={"seed": seed, "name": f"seed{seed}", **options})
    if final is not None:
        file = write_final(path, final, 100 * len(running), images=images)
        for ending in (".json", ".png"):
            file.with_suffix(ending).rename(file.with_name(f"reconstruct-final-last-2000{ending}"))
    return path


@pytest.fixture
def four(tmp_path) -> list:
    """none and wn with two seeds each; the first wn run has gone further than the others."""
    rng = np.random.default_rng(3)
    images = [IMAGES * rng.uniform(0.8, 1.2, 40) for _ in range(4)]
    paths = [
        seeded(tmp_path / "a", "none", 0, (0.03, 0.02), 0.010, images[0]),
        seeded(tmp_path / "b", "wn", 0, (0.025, 0.016, 0.001), None, iterations=300),
        seeded(tmp_path / "c", "none", 1, (0.022, 0.024), 0.012, images[2]),
        seeded(tmp_path / "d", "wn", 1, (0.03, 0.018), 0.009, images[3]),
    ]
    file = write_final(paths[1], 0.007, 200, images=images[1])
    file.rename(file.with_name("reconstruct-final-000200-2000.json"))
    return [read_run(path) for path in paths]


def test_a_model_is_what_the_seed_does_not_make(four):
    found = models(four)
    assert [model.name for model in found] == ["none", "wn"]
    assert [[run.name for run in model.runs] for model in found] == [["a", "c"], ["b", "d"]]


def test_models_of_one_norm_are_told_apart(tmp_path):
    runs = [read_run(seeded(tmp_path / str(rate), "wn", 0, learning_rate=rate)) for rate in (1e-4, 4e-4)]
    assert [model.name for model in models(runs)] == ["wn, learning-rate 0.0001", "wn, learning-rate 0.0004"]


def test_a_second_run_of_a_seed_is_no_second_seed(four, tmp_path):
    shutil.copytree(four[3].folder.path, tmp_path / "branch")
    found = models([*four, read_run(tmp_path / "branch")])
    assert [(model.name, [run.name for run in model.runs]) for model in found] == [
        ("none", ["a", "c"]), ("wn", ["b", "d"]), ("wn (branch)", ["branch"]),
    ]  # fmt: skip


def test_options_that_an_older_version_did_not_write_are_the_defaults(tmp_path):
    older, newer = seeded(tmp_path / "older", "wn", 0), seeded(tmp_path / "newer", "wn", 1, d_features=None, augment="")
    assert [model.name for model in models([read_run(older), read_run(newer)])] == ["wn"]
    flipped = read_run(seeded(tmp_path / "flipped", "wn", 1, augment="flip"))
    assert [model.name for model in models([read_run(older), flipped])] == ["wn, augment ", "wn, augment flip"]


def test_everything_is_compared_at_the_iteration_that_all_have_reached(four):
    none, wn = over_seeds(four)
    assert (none["iteration"], wn["iteration"], wn["seeds"]) == (200, 200, [0, 1])
    assert wn["running"] == {"mean": pytest.approx(0.017), "low": 0.016, "high": 0.018}
    assert wn["best_iterations"] == [200, 200]
    assert none["best_iterations"] == [200, 100]
    assert none["last"] == {"mean": pytest.approx(0.022), "low": 0.02, "high": 0.024}
    assert wn["of"] == "last"
    assert wn["final"]["mean"] == pytest.approx(0.008)


def test_the_difference_pairs_the_images_of_each_seed(four):
    none, wn = over_seeds(four)
    a, b, c, d = (next(iter(run.finals.values())).losses for run in four)
    assert none["difference"] is None
    difference = wn["difference"]
    assert (difference["low"], difference["high"]) == pytest.approx((-0.003, -0.003))
    assert difference["mean"] == pytest.approx(-0.003)
    assert difference["standard_error"] == pytest.approx(stats.sem((b - a + d - c) / 2))
    assert difference["standard_error"] < stats.sem(np.concatenate([b, d]))


def test_final_tests_that_do_not_match_are_left_out_and_the_command_named(four):
    (four[3].folder.evaluation / "reconstruct-final-last-2000.json").unlink()
    runs = [read_run(run.folder.path) for run in four]
    assert [row["final"] for row in over_seeds(runs)] == [None, None]
    assert "evaluate.py reconstruct RUN --checkpoint last, where that is iteration 200" in table(runs)


def test_each_run_is_measured_against_the_vanilla_run_of_its_seed(tmp_path):
    paths = []
    for seed, (vanilla, wn) in enumerate([(0.010, 0.009), (0.020, 0.015)]):
        paths += [make_run(tmp_path / f"v{seed}", "none", final=vanilla, options={"seed": seed})]
        paths += [make_run(tmp_path / f"w{seed}", "wn", final=wn, options={"seed": seed})]
    comparison = to_json([read_run(path) for path in paths])
    found = [run["difference"] and run["difference"]["relative"] for run in comparison["runs"]]
    assert found == [None, pytest.approx(-0.1), None, pytest.approx(-0.25)]
    assert comparison["reference"] == "the none run of the same settings and seed"


def test_without_vanilla_runs_those_with_the_first_norm_take_their_place(tmp_path):
    runs = []
    for seed, (bn, wn) in enumerate([(0.010, 0.009), (0.020, 0.015)]):
        runs += [make_run(tmp_path / f"b{seed}", "bn", final=bn, options={"seed": seed})]
        runs += [make_run(tmp_path / f"w{seed}", "wn", final=wn, options={"seed": seed})]
    comparison = to_json([read_run(path) for path in runs])
    found = [run["difference"] and run["difference"]["relative"] for run in comparison["runs"]]
    assert found == [None, pytest.approx(-0.1), None, pytest.approx(-0.25)]
    assert comparison["models"][1]["against"] == "bn"


def test_the_norm_of_codes_is_that_of_the_running_tests_before_there_are_final_ones(tmp_path):
    runs = [read_run(seeded(tmp_path / f"{seed}", "wn", seed)) for seed in (0, 1)]
    assert over_seeds(runs)[0]["z2"] == {"mean": 1.5, "low": 1.5, "high": 1.5}


def test_seeds_of_images_of_another_size_are_not_paired(tmp_path):
    sizes = {"none": [32, 48], "wn": [16, 24]}
    runs = [
        read_run(seeded(tmp_path / f"{norm}{seed}", norm, seed, final=0.01, image_size=size))
        for norm, size in sizes.items()
        for seed in (0, 1)
    ]
    assert [row["difference"] for row in over_seeds(runs)] == [None, None]


def test_other_intervals_of_tests_are_compared_at_the_last_iteration_that_all_were_tested_at(tmp_path):
    often = seeded(tmp_path / "often", "wn", 0, (0.05, 0.04, 0.03))  # at 100, 200, 300
    seldom = seeded(tmp_path / "seldom", "wn", 1, (0.06, 0.02))
    log = (seldom / "log.jsonl").read_text()
    (seldom / "log.jsonl").write_text(log.replace(": 200,", ": 400,").replace('"iteration": 100,', '"iteration": 200,'))
    (row,) = over_seeds([read_run(often), read_run(seldom)])
    assert row["iteration"] == 200
    assert (row["last"]["low"], row["last"]["high"]) == (0.04, 0.06)


def test_runs_that_share_no_iteration_are_not_compared_at_one(tmp_path):
    early = seeded(tmp_path / "early", "wn", 0)
    late = seeded(tmp_path / "late", "wn", 1)
    log = (late / "log.jsonl").read_text()
    (late / "log.jsonl").write_text(log.replace('"iteration": 100,', '"iteration": 300,').replace(": 200,", ": 400,"))
    runs = [read_run(early), read_run(late)]
    assert over_seeds(runs) == []
    assert "equally far" not in table(runs)


def test_the_terminals_table_has_a_row_for_each_model(four):
    lines = table(four).split("\n")
    row = next(line for line in lines if line.startswith("wn "))
    assert "0.017000 (0.016000 to 0.018000)" in row
    assert "−0.003000 ± 0.000" in row
    assert row.split()[-5:] == ["200;", "200", "0,", "1", "200"]  # best iterations, seeds, iteration
    assert row.split()[-6] == "0"  # collapses
    json.dumps(to_json(four), allow_nan=False)


@pytest.mark.parametrize(
    ("running", "expected"), [((0.03, 0.02, 0.04), False), ((0.03, 0.02, 0.0401), True), ((0.05,), False)]
)
def test_a_run_has_collapsed_at_twice_its_lowest_running_loss(tmp_path, running, expected):
    run = read_run(seeded(tmp_path / "run", "bn", 0, running))
    assert collapsed(run) is expected
    assert ("run has collapsed" in table([run])) is expected


@pytest.mark.parametrize("every", [50, 1000, 2000])
@pytest.mark.parametrize(("noise", "expected"), [(0.0, True), (1e-3, False)])
def test_a_run_whose_losses_stand_still_has_collapsed(tmp_path, noise, expected, every):
    path = seeded(tmp_path / "run", "wn", 0)
    tests = (path / "log.jsonl").read_text().split("\n", 20)[20]
    lines = [
        {"iteration": every * k, "d_real": 0.69 + (k < 10), "d_fake": 0.69 + noise * (k % 2), "g": 0.69}
        for k in range(1, 41)
    ]
    (path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + tests)
    assert collapsed(read_run(path)) is expected


def test_the_last_checkpoint_stands_in_where_it_is_the_best(tmp_path):
    still, past = (
        seeded(tmp_path / str(k), "wn", k, running, 0.01) for k, running in enumerate([(0.03, 0.02), (0.02, 0.03)])
    )
    assert read_run(still).final.iteration == 200
    assert read_run(past).final is None


def test_one_seed_each_needs_no_rows(tmp_path):
    runs = [read_run(seeded(tmp_path / str(seed), "wn", seed)) for seed in (0, 1)]
    assert over_seeds(runs[:1]) == []
    assert len(over_seeds(runs)) == 1
