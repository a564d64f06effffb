"""The comparison can be stopped and started, and ends in the paper's table."""

import json

import pytest

import evaluate
import train
from experiments import three_models
from tinygan.data import shapes
from tinygan.data.imageset import ImageSet
from tinygan.errors import UsageError

SMALL = ["--features", "4", "--code-size", "6"]
OPTIONS = "--dataset shapes --iterations 2 --test-every 1 --steps 2 --device cpu"


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Run the experiment on 400 shapes in the test's own folder."""
    few = ImageSet("shapes", *shapes.draw(0, range(400)), "400 shapes")
    monkeypatch.setattr(shapes, "load", lambda: few)
    places = ["--out", str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    return lambda options: three_models.main([*options.split(), *places])


def test_it_goes_on_where_it_was_stopped(call, tmp_path, monkeypatch, capsys):
    trained = []
    main = train.main

    def stop_at_the_third(arguments):
        trained.append(arguments)
        if len(trained) == 3:
            raise KeyboardInterrupt
        main([*arguments, *([] if "--resume" in arguments else SMALL)])

    monkeypatch.setattr(train, "main", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        call(OPTIONS)
    call(OPTIONS)
    assert len(trained) == 4  # none, bn, wn interrupted, wn
    assert "wn" in trained[2]
    assert "wn" in trained[3]

    call(OPTIONS)  # everything is there: nothing is trained again
    assert len(trained) == 4
    table = capsys.readouterr().out
    names = [f"0000{number}-shapes-{norm}-seed0" for number, norm in enumerate(three_models.MODELS)]
    for name in names:
        assert name in table
        kept = {path.name for path in (tmp_path / "results" / name).iterdir()}
        final = {f"reconstruct-final-best-2.{ending}" for ending in ("json", "png")}
        assert kept == {"config.json", "log.jsonl", "samples.png", "reconstructions.png"} | final
    comparison = json.loads((tmp_path / "results" / "comparison.json").read_text())
    assert [run["name"] for run in comparison["runs"]] == names
    assert all(run["final"]["loss"] > 0 for run in comparison["runs"])

    searched = []
    evaluate_main = evaluate.main
    monkeypatch.setattr(evaluate, "main", lambda call: (searched.append("--count" in call), evaluate_main(call)))
    call(f"{OPTIONS} --count 7")  # the results of the whole set hold those of a part
    assert not any(searched)
    call(f"{OPTIONS.replace('--steps 2', '--steps 3')} --count 7")
    assert sum(searched) == len(three_models.MODELS)
    searched.clear()
    call(f"{OPTIONS.replace('--steps 2', '--steps 3')} --count 7")
    assert not any(searched)
    assert (tmp_path / "results" / names[0] / "reconstruct-final-best-3-first7.json").exists()


@pytest.mark.parametrize(
    "options",
    ["--iterations 5 --test-every 10", "--iterations 5 --seeds 0,x", "--iterations 5 --test-every 5 --count 0"],
)
def test_mistakes(call, options):
    with pytest.raises(UsageError, match=r"--iterations 5|--seeds|--count is 0"):
        call(options)
