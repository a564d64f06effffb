"""What is kept of runs is enough to compare and report them again, the stored results among them."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from experiments import collect
from tests.evaluation.test_comparison import make_run, write_final
from tinygan import load_generator
from tinygan.cli import evaluate
from tinygan.errors import UsageError, run_script
from tinygan.evaluation.runsummary import read_run
from tinygan.evaluation.trained import open_run

STORED = Path(collect.__file__).parents[1] / "results/three-models-10000"


def test_the_first_best_and_last_pictures_are_kept_and_no_checkpoint(tmp_path):
    path = make_run(tmp_path / "runs/00000-wn", running=(0.03, 0.02, 0.025, 0.024))
    (path / "checkpoints").mkdir()
    (path / "checkpoints/best.safetensors").write_bytes(b"large")
    collect.main([str(path), "--results", str(tmp_path / "results")])
    kept = tmp_path / "results/00000-wn"
    assert {str(file.relative_to(kept)) for file in kept.rglob("*") if file.is_file()} == {
        *("config.json", "log.jsonl", "samples/reals.png", "samples/000100.png"),
        *(f"reconstructions/{name}.png" for name in ("targets", "000200", "000400")),
        *(f"evaluation/reconstruct-final-best-2000.{ending}" for ending in ("json", "png")),
    }


def test_it_does_not_collect_into_the_runs(tmp_path):
    path = make_run(tmp_path / "runs/00000-wn")
    with pytest.raises(UsageError, match="is where the runs are"):
        collect.main([str(path), "--results", str(tmp_path / "runs")])


def test_results_that_are_a_link_to_itself_are_one_line(tmp_path, capsys):
    run = make_run(tmp_path / "run")
    (tmp_path / "loop").symlink_to("loop")
    assert run_script(collect.main, [str(run), "--results", str(tmp_path / "loop")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_run_that_is_named_twice_is_collected_once(tmp_path):
    (tmp_path / "again").symlink_to(path := make_run(tmp_path / "runs" / "00000-wn"))
    collect.main([str(path), str(tmp_path / "again"), "--results", str(tmp_path / "results")])
    assert len(json.loads((tmp_path / "results" / "comparison.json").read_text())["runs"]) == 1


def test_runs_of_one_name_are_not_laid_over_each_other(tmp_path):
    runs = [str(make_run(tmp_path / place / "00000-wn")) for place in ("one", "two")]
    with pytest.raises(UsageError, match="two runs are called 00000-wn: rename the folder of one"):
        collect.main([*runs, "--results", str(tmp_path / "results")])
    assert not (tmp_path / "results").exists()


def test_a_kept_run_is_not_laid_over_by_another_of_its_name(tmp_path):
    results = tmp_path / "results"
    first, second = (
        make_run(tmp_path / place / "00000-wn", final=final) for place, final in (("one", 0.01), ("two", None))
    )
    config = json.loads((second / "config.json").read_text())
    (second / "config.json").write_text(json.dumps(config | {"sessions": [{"started": "later"}]}))
    collect.main([str(first), "--results", str(results)])
    with pytest.raises(UsageError, match=r"results/00000-wn holds another run: give another --results"):
        collect.main([str(second), "--results", str(results)])
    collect.main([str(first), "--results", str(results)])  # itself, when it has gone on
    assert read_run(results / "00000-wn").final.loss == pytest.approx(0.01)


def test_the_newest_final_test_stays_the_newest(tmp_path):
    path = make_run(tmp_path / "runs/00000-wn")
    older = write_final(path, 0.02, 200, steps=500)
    os.utime(older, (1, 1))
    collect.main([str(path), "--results", str(tmp_path / "results")])
    assert read_run(path).final.steps == read_run(tmp_path / "results/00000-wn").final.steps == 2000


def test_the_current_folder_has_a_name_too(tmp_path, monkeypatch):
    monkeypatch.chdir(make_run(tmp_path / "runs/00000-wn"))
    collect.main([".", "--results", str(tmp_path / "results")])
    assert (tmp_path / "results/00000-wn/log.jsonl").exists()


def test_the_stored_results_give_their_table_again(capsys, tmp_path):
    runs = [str(path) for path in sorted(STORED.glob("0*"))]
    evaluate.main(["compare", *runs])
    assert sorted(capsys.readouterr().out.splitlines()) == sorted((STORED / "table.txt").read_text().splitlines())
    evaluate.main(["report", *runs, "--out", str(tmp_path / "page.html")])
    page = (tmp_path / "page.html").read_text()
    assert page.count("Pairs of final test images") == 3
    assert page.count("after 10,000 iterations") == 6  # samples and reconstructions of each


@pytest.mark.parametrize("norm", ["wn", "bn"])
def test_a_generator_alone_draws_the_same_images(finished, tmp_path, norm):
    run = next((tmp_path / "runs").glob(f"*-{norm}-*"))
    collect.main([str(run), "--results", str(tmp_path / "kept"), "--generators"])
    file = tmp_path / "kept" / run.name / "generator-best.safetensors"
    with safe_open(file, framework="numpy") as stored:
        about = json.loads(stored.metadata()["tinygan generator"])
        tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
    trained = open_run(run, "best", "cpu")
    assert about == {
        "options": asdict(trained.options) | {"image_size": [32, 32], "data_dir": None},
        "iteration": trained.iteration,
    }
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float16)}

    codes = np.random.default_rng(0).standard_normal((8, trained.options.code_size))
    images = load_generator(file)(codes)
    assert np.abs(images - trained.generate(codes) / 255).max() < 1.5 / 255
