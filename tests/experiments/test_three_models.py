"""The comparison can be stopped and started, and ends in the paper's table."""

import json
import re
import shutil
import signal
import threading

import pytest
from safetensors.numpy import load_file

from experiments import affine, learning_rates, plan, resnet, runner, three_models
from tests.experiments.conftest import OPTIONS
from tinygan.cli import evaluate, train
from tinygan.errors import NonFiniteError, Stopped, TinyganError, UsageError
from tinygan.training.runfolder import RunFolder


def test_it_goes_on_where_it_was_stopped(call, tmp_path, monkeypatch, capsys):
    trained = []
    main = train.main

    def stop_at_the_third(arguments):
        trained.append(arguments)
        if len(trained) == 3:
            raise KeyboardInterrupt
        main(arguments)

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
        kept = tmp_path / "results" / name
        files = {str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file()}
        assert files >= {"config.json", "log.jsonl", "samples/reals.png", "samples/000002.png"}
        assert files >= {"reconstructions/targets.png", "reconstructions/000002.png"}
        assert files >= {f"evaluation/reconstruct-final-best-2.{ending}" for ending in ("json", "png")}
        assert not [name for name in files if "checkpoint" in name]
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
    assert (tmp_path / "results" / names[0] / "evaluation/reconstruct-final-best-3-first7.json").exists()


@pytest.mark.parametrize(
    "options",
    [
        "--iterations 5 --test-every 10",
        "--iterations 5 --seeds 0,x",
        "--iterations 5 --test-every 5 --count 0",
        "--iterations 5 --test-every 5 --interleave 0",
        "--iterations 5 --test-every 5 --minutes -1",
        "--iterations 5 --test-every 5 --results x --out x",
    ],
)
def test_mistakes(call, options):
    with pytest.raises(
        UsageError, match=r"--iterations 5 leaves|--seeds|--(count|interleave) is '0'|--minutes is '-1'|x is where"
    ):
        call(options)


def test_results_can_be_compared_and_reported_again(finished, tmp_path, capsys):
    shutil.rmtree(tmp_path / "runs")
    kept = sorted(str(path.parent) for path in (tmp_path / "results").glob("*/config.json"))
    capsys.readouterr()
    evaluate.main(["compare", *kept])
    assert capsys.readouterr().out == (tmp_path / "results/table.txt").read_text()
    assert "no final loss" not in (tmp_path / "results/table.txt").read_text()
    evaluate.main(["report", *kept, "--out", str(tmp_path / "again.html")])
    page = (tmp_path / "again.html").read_text()
    assert "Samples over time" in page
    assert "Targets and reconstructions" in page
    assert "Pairs of final test images" in page


def test_interleaved_models_stand_at_the_same_iteration_after_each_round(call, tmp_path, monkeypatch):
    steps, pages = [], []
    main = train.main

    def note(arguments):
        main(arguments)
        steps.append(arguments[arguments.index("--iterations") + 1])

    monkeypatch.setattr(train, "main", note)
    page = tmp_path / "page.html"
    write = runner.write_report
    monkeypatch.setattr(runner, "write_report", lambda runs, file: (pages.append(len(steps)), write(runs, file)))
    options = OPTIONS.replace("--iterations 2", "--iterations 3")
    call(f"{options} --interleave 2 --report '{page}'")
    assert steps == ["2"] * 3 + ["3"] * 3
    assert pages == [3, 6, 6]  # after each round, and with the final tests
    assert "Pairs of final test images" in page.read_text()

    alone = tmp_path / "alone"
    monkeypatch.setattr(evaluate, "main", lambda call: None)  # no final tests
    three_models.main([*options.split(), "--out", str(alone), "--results", str(tmp_path / "r")])
    for run in sorted((tmp_path / "runs").iterdir()):
        ours, theirs = (load_file(path / run.name / "checkpoints/last.safetensors") for path in (run.parent, alone))
        assert all((ours[name] == theirs[name]).all() for name in theirs)


def test_the_time_ends_a_training_with_what_there_is(call, tmp_path, monkeypatch, capsys):
    class OnceTested(threading.Timer):
        """In its own time a busy machine may not come to a running test."""

        def run(self):
            while not self.finished.wait(0.01):
                if any("reconstruction" in log.read_text() for log in tmp_path.glob("runs/*/log.jsonl")):
                    self.finished.set()
                    self.function()

    monkeypatch.setattr(threading, "Timer", OnceTested)
    options = OPTIONS.replace("--iterations 2", "--iterations 1000000")
    call(f"{options} --minutes 0.05 --report '{tmp_path}/page.html'")
    out = capsys.readouterr().out
    assert "time is up after 0.05 minutes" in out
    assert "00000-shapes-none-seed0 has no final loss yet" in out
    assert (tmp_path / "page.html").exists()
    assert json.loads((tmp_path / "results/comparison.json").read_text())["runs"][0]["norm"] == "none"
    run = RunFolder(tmp_path / "runs/00000-shapes-none-seed0")
    tested = json.loads(run.log.read_text().splitlines()[-1])["iteration"]
    assert 0 < tested <= runner.iteration_of(run)  # saved as it stopped, not only at the last interval


@pytest.mark.parametrize("before", [signal.default_int_handler, signal.SIG_IGN])  # as in a script's background
def test_the_time_ends_a_final_test_too(call, finished, tmp_path, capsys, request, before):
    usual = signal.signal(signal.SIGINT, before)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, usual))
    call(f"{OPTIONS.replace('--steps 2', '--steps 10000000')} --minutes 0.02")
    assert "time is up" in capsys.readouterr().out
    assert list((tmp_path / "runs").glob("*/evaluation/*best-2.json"))
    assert not list((tmp_path / "runs").glob("*/evaluation/*best-10000000.json"))


def test_before_the_first_running_test_the_time_ends_without_a_table(call, tmp_path, capsys):
    options = OPTIONS.replace("--iterations 2", "--iterations 1000000").replace(
        "--test-every 1", "--test-every 1000000"
    )
    call(f"{options} --minutes 0.01 --report '{tmp_path}/page.html'")
    assert "no run has come to its first running test" in capsys.readouterr().out
    assert not (tmp_path / "page.html").exists()


def test_a_request_to_stop_is_not_taken_for_the_end_of_the_time(call, monkeypatch):
    monkeypatch.setattr(train, "main", lambda arguments: (_ for _ in ()).throw(Stopped("stopped", 2)))
    with pytest.raises(Stopped):
        call(f"{OPTIONS} --minutes 60")


def change(file, *keys, to):
    """Set a value in a JSON file."""
    whole = json.loads(file.read_text())
    place = whole
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = to
    file.write_text(json.dumps(whole))


OTHERS = [
    (("options", "learning_rate"), 2e-4, "--learning-rate 0.0002 instead of 0.0001"),
    (("options", "test_every"), 7, "--test-every 7 instead of 1"),
    (("data", "fingerprint"), "sha256:other", "images sha256:other… instead of sha256:"),
    (("sessions", 0, "git_commit"), "0123456789abcdef0", "code 0123456789abcdef0 instead of"),
]


def test_a_run_that_is_something_else_is_refused_by_name(call, finished, tmp_path, monkeypatch):
    run = tmp_path / "runs/00001-shapes-bn-seed0"
    whole = (run / "config.json").read_text()
    monkeypatch.setattr(train, "main", lambda arguments: pytest.fail("trained"))
    for keys, to, words in OTHERS:
        change(run / "config.json", *keys, to=to)
        with pytest.raises(UsageError, match=f"{re.escape(str(run))} is not what .*{re.escape(words)}.*another --out"):
            call(OPTIONS.replace("--iterations 2", "--iterations 3"))
        with pytest.raises(UsageError, match="is not what"):  # finished runs are looked at too
            call(OPTIONS)
        (run / "config.json").write_text(whole)
    with pytest.raises(UsageError, match=r"00000-shapes-none-seed0 is at iteration 2 already: give --iterations 2"):
        call(OPTIONS.replace("--iterations 2", "--iterations 1"))


def test_a_page_that_cannot_be_written_is_refused_before_anything_is_trained(call, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "main", lambda arguments: pytest.fail("trained"))
    with pytest.raises(TinyganError, match=r"^--report .*: there is no folder .*nowhere; make it first"):
        call(f"{OPTIONS} --report '{tmp_path}/nowhere/page.html'")


def test_other_lengths_and_places_are_no_difference(call, finished, tmp_path):
    for run in (tmp_path / "runs").iterdir():
        change(run / "config.json", "options", "save_every", to=1)
        change(run / "config.json", "options", "device", to="auto")
    call(OPTIONS.replace("--iterations 2", "--iterations 3"))


def test_a_training_that_blows_up_is_named_and_the_others_go_on(call, tmp_path, monkeypatch, capsys):
    main = train.main

    def blow_up(arguments):
        main(arguments)
        if "bn" in arguments:
            raise NonFiniteError("d_real is not finite after iteration 2")

    monkeypatch.setattr(train, "main", blow_up)
    call(f"{OPTIONS} --interleave 1")
    named = (tmp_path / "results/ended-early.txt").read_text()
    assert named.count("\n") == 1
    assert "--norm bn" in named
    assert "d_real is not finite after iteration 2" in named
    assert [runner.iteration_of(RunFolder(path)) for path in sorted((tmp_path / "runs").iterdir())] == [2, 1, 2]


def test_trainings_that_all_blow_up_at_once_are_named_too(call, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train, "main", lambda arguments: (_ for _ in ()).throw(NonFiniteError("g is not finite")))
    call(OPTIONS)
    assert "no run has come to its first running test" in capsys.readouterr().out
    assert (tmp_path / "results/ended-early.txt").read_text().count("g is not finite") == 3


@pytest.mark.parametrize(
    ("module", "names"),
    [
        (affine, ["00000-shapes-wn-seed0", "00001-shapes-wn-affine-seed0"]),
        (resnet, [f"0000{k}-shapes-resnet-{norm}-seed0" for k, norm in enumerate(("none", "bn", "wn"))]),
    ],
)
def test_the_other_experiments_run_by_the_same_machine(call, tmp_path, capsys, module, names):
    call(OPTIONS, module)
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == names
    table = capsys.readouterr().out
    assert all(name in table for name in names)


def test_the_learning_rates_are_twelve_models(call, tmp_path, monkeypatch):
    names = [member[member.index("--name") + 1] for member in learning_rates.plan([0])]
    assert names == [f"seed0-lr{rate}" for rate in ("5e-05", "1e-04", "2e-04", "4e-04") for _ in range(3)]

    monkeypatch.setattr(learning_rates, "MODELS", ("wn", "none"))
    monkeypatch.setattr(learning_rates, "RATES", (5e-5, 4e-4))
    call(f"{OPTIONS} --count 1", learning_rates)
    comparison = json.loads((tmp_path / "results/comparison.json").read_text())
    folders = [f"0000{k}-shapes-{name}" for k, name in enumerate(("wn-seed0-lr5e-05", "none-seed0-lr5e-05"))]
    assert [run["name"] for run in comparison["runs"]][:2] == folders
    configs = [json.loads(path.read_text()) for path in sorted((tmp_path / "runs").glob("*/config.json"))]
    assert [config["options"]["learning_rate"] for config in configs] == [5e-5, 5e-5, 4e-4, 4e-4]
    # Each rate has a vanilla run of its own.
    assert [run["difference"] is None for run in comparison["runs"]] == [False, True, False, True]


def test_a_dated_backup_of_a_run_is_no_run(tmp_path):
    wanted = plan.options_of(["--dataset", "shapes", "--out", str(tmp_path)])
    for name in ("00000-shapes-wn", "20261126-shapes-wn"):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
        (tmp_path / name / "checkpoints/last.safetensors").touch()
    assert plan.find_run(wanted).path.name == "00000-shapes-wn"
