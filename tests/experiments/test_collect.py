"""What is kept of runs is enough to compare and report them again, the stored results among them."""

from pathlib import Path

import pytest

import evaluate
from experiments import collect
from tests.evaluation.test_comparison import make_run
from tinygan.errors import UsageError

STORED = Path(evaluate.__file__).parent / "results/three-models-10000"


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


def test_the_stored_results_give_their_table_again(capsys, tmp_path):
    runs = [str(path) for path in sorted(STORED.glob("0*"))]
    evaluate.main(["compare", *runs])
    assert sorted(capsys.readouterr().out.splitlines()) == sorted((STORED / "table.txt").read_text().splitlines())
    evaluate.main(["report", *runs, "--out", str(tmp_path / "page.html")])
    page = (tmp_path / "page.html").read_text()
    assert page.count("Pairs of final test images") == 3
    assert page.count("after 10,000 iterations") == 6  # samples and reconstructions of each
