"""evaluate.py as a person meets it."""

import dataclasses
import itertools
import json
import os
import shutil
import threading

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from tinygan.cli import train
from tinygan.data import shapes
from tinygan.errors import TinyganError, run_script
from tinygan.evaluation import finaltest, pictures
from tinygan.evaluation import trained as trained_module
from tinygan.evaluation.finaltest import reconstruction_test
from tinygan.evaluation.trained import TrainedRun, open_run
from tinygan.reconstruction import Search
from tinygan.training.options import Options

SEARCH = Search(steps=5)


def size_and_frames(path):
    with Image.open(path) as image:
        return *image.size, getattr(image, "n_frames", 1)


def images_of(path):
    with np.load(path) as file:
        return file["images"]


def test_reconstruct_writes_figures_losses_and_picture(trained, call):
    code, out, _ = call("reconstruct", trained, "--steps", 5)
    assert code == 0
    file = trained / "evaluation" / "reconstruct-final-best-5.json"
    assert str(file) in out
    result = json.loads(file.read_text())
    assert (result["set"], result["steps"], result["count"]) == ("final", 5, 40)
    assert result["loss"] == pytest.approx(np.mean(result["losses"]), rel=1e-12)
    error = stats.sem(result["losses"])
    assert f"final loss {result['loss']:.6f} ± {error:.6f} (standard error over 40 images)" in out
    assert size_and_frames(file.with_suffix(".png"))[0] == 10 * 34 + 2
    assert not list(file.parent.glob("*unfinished*"))


def test_results_of_other_settings_have_other_names(trained, call):
    """Nothing is replaced by what was asked differently; the usual settings have the short names."""
    for seed in (0, 1):
        call("modes", trained, "--count", 64, "--seed", seed)
        call("measures", trained, "--count", 10, "--seed", seed)
        call("interpolate", trained, "--seed", seed)
    call("samples", trained, "--count", 9)
    call("samples", trained)
    searches = ([], ["--optimiser", "adam"], ["--learning-rate", "0.02"], ["--restarts", "1", "--count", "8"])
    for search in searches:
        assert call("reconstruct", trained, "--set", "running", "--steps", 3, *search)[0] == 0
    assert {file.name for file in (trained / "evaluation").glob("*")} >= {
        "modes-best-count64.json",
        "modes-best-count64-seed1.json",
        "measures-best-count10.json",
        "measures-best-count10-seed1.json",
        "walk-codes-best.png",
        "walk-codes-best-seed1.png",
        "samples-best-0-count9.png",
        "samples-best-0.png",
        "reconstruct-running-best-3.json",
        "reconstruct-running-best-3-adam.json",
        "reconstruct-running-best-3-lr0.02.json",
        "reconstruct-running-best-3-first8-restarts1.json",
    }


@pytest.mark.parametrize(
    ("command", "name"),
    [("modes", "modes-best-count32.json"), ("samples", "samples-best-0-count32.png")],
)
def test_a_result_of_another_iteration_is_not_replaced_silently(trained, call, command, name):
    file = trained / "evaluation" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text("of an earlier best")
    os.utime(file, (1, 1))
    code, out, _ = call(command, trained, "--count", 32)
    assert (code, f"note: {file} is of an earlier iteration so far; it will be of " in out) == (0, True)
    assert "note:" not in call(command, trained, "--count", 32)[1]


def test_the_running_test_of_training_is_the_same_measure(trained, call):
    tests = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    best = min((line for line in tests if "reconstruction" in line), key=lambda line: line["reconstruction"]["loss"])
    assert call("reconstruct", trained, "--set", "running", "--steps", 50)[0] == 0
    result = json.loads((trained / "evaluation" / "reconstruct-running-best-50.json").read_text())
    assert result["iteration"] == best["iteration"]
    assert result["loss"] == pytest.approx(best["reconstruction"]["loss"], rel=1e-5)  # float32 through a checkpoint


def test_one_image_has_no_standard_error(trained, call):
    assert " (1 image), psnr" in call("reconstruct", trained, "--steps", 2, "--count", 1)[1]


def test_the_first_images_of_a_set_lose_what_they_lose_in_the_whole(trained, call):
    run = open_run(trained, "last", "cpu")
    whole = json.loads(reconstruction_test(run, "final", SEARCH, 8).read_text())
    code, out, _ = call("reconstruct", trained, "--checkpoint", "last", "--steps", SEARCH.steps, "--count", 12)
    assert code == 0
    assert "12 images" in out
    first = json.loads((trained / "evaluation" / f"reconstruct-final-last-{SEARCH.steps}-first12.json").read_text())
    assert (first["count"], whole["count"]) == (12, 40)
    np.testing.assert_allclose(first["losses"], whole["losses"][:12], rtol=1e-5)


def test_an_interrupted_test_goes_on_where_it_was(trained, monkeypatch):
    run = open_run(trained, "last", "cpu")
    whole = json.loads(reconstruction_test(run, "final", SEARCH, 8).read_text())
    searched = []
    search = TrainedRun.search

    def interrupted(run, targets, how, batch_size, rows, **others):
        if len(searched) == 2:
            raise KeyboardInterrupt
        searched.append(rows)
        return search(run, targets, how, batch_size, rows, **others)

    monkeypatch.setattr(TrainedRun, "search", interrupted)
    with pytest.raises(KeyboardInterrupt):
        reconstruction_test(run, "final", SEARCH, 8)
    unfinished = trained / "evaluation" / "reconstruct-final-last-5.unfinished.safetensors"
    assert unfinished.exists()
    monkeypatch.setattr(TrainedRun, "search", lambda *a, **k: (searched.append(a[4]), search(*a, **k))[1])
    again = json.loads(reconstruction_test(run, "final", SEARCH, 8).read_text())
    assert again["losses"] == whole["losses"]
    assert [rows.start for rows in searched] == [0, 8, 16, 24, 32]  # none twice
    assert not unfinished.exists()


def test_what_was_left_by_another_search_is_not_used(trained, monkeypatch):
    run = open_run(trained, "last", "cpu")
    whole = json.loads(reconstruction_test(run, "final", SEARCH, 40).read_text())
    other = Search(steps=5, learning_rate=0.5)
    calls = []
    search = TrainedRun.search
    monkeypatch.setattr(
        TrainedRun, "search", lambda *a, **k: calls.append(a) or (search(*a, **k) if calls[1:] == [] else 1 / 0)
    )
    with pytest.raises(ZeroDivisionError):
        reconstruction_test(run, "final", other, 20)
    monkeypatch.setattr(TrainedRun, "search", search)
    assert json.loads(reconstruction_test(run, "final", SEARCH, 40).read_text())["losses"] == whole["losses"]


def test_samples_do_not_depend_on_how_many_are_asked_for(trained, call, tmp_path):
    assert call("samples", trained, "--count", 130, "--npz", tmp_path / "many.npz")[0] == 0
    assert call("samples", trained, "--count", 7, "--npz", tmp_path / "few.npz")[0] == 0
    many, few = images_of(tmp_path / "many.npz"), images_of(tmp_path / "few.npz")
    assert (many.shape, many.dtype) == ((130, 32, 32, 3), np.uint8)
    np.testing.assert_array_equal(many[:7], few)
    with np.load(tmp_path / "few.npz") as file:
        assert sorted(file) == ["arr_0", "images"]  # what other evaluators read, and a name for people
        np.testing.assert_array_equal(file["arr_0"], few)
    assert call("samples", trained, "--count", 7, "--png-folder", tmp_path / "png")[0] == 0
    with Image.open(tmp_path / "png" / "000003.png") as image:
        np.testing.assert_array_equal(np.asarray(image), few[3])
    code, _, err = call("samples", trained, "--png-folder", tmp_path / "png")
    assert code == 1
    assert "is not empty" in err
    assert call("samples", trained, "--seed", 1)[0] == 0
    assert (trained / "evaluation" / "samples-best-1.png").exists()


def test_interpolate_walks_between_codes_and_images(trained, call):
    code, out, _ = call("interpolate", trained, "--gif")
    assert code == 0
    files = [f"{trained}/evaluation/walk-{name}-best.{kind}" for name in ("codes", "images") for kind in ("png", "gif")]
    assert out.splitlines() == files
    for name in ("codes", "images"):
        path = trained / "evaluation" / f"walk-{name}-best.png"
        assert size_and_frames(path)[:2] == (10 * 34 + 2, 8 * 34 + 2)
        width, height, frames = size_and_frames(path.with_suffix(".gif"))
        assert (width, height) == (256, 256)  # 32x32, enlarged
        assert frames > 1


@pytest.mark.parametrize("every", [1, 2])
def test_modes_counts_exactly(trained, call, monkeypatch, every):
    """A generator that draws every mode equally often, or every second one; by chance: see measures/test_modes.py."""
    numbers = itertools.count()
    modes = 1024 // every

    def generate(self, codes):
        return shapes.templates(np.array([every * (next(numbers) % modes) for _ in codes]))

    monkeypatch.setattr(TrainedRun, "generate", generate)
    code, out, _ = call("modes", trained, "--count", 1024)
    assert code == 0
    assert f"{modes} of 1024 modes covered" in out
    assert "100.0 % good samples" in out
    found = json.loads((trained / "evaluation" / "modes-best-count1024.json").read_text())
    assert (found["covered"], found["share_good"]) == (modes, 1.0)
    assert found["kl"] == pytest.approx(np.log(every))  # how far these modes alone are from uniform


def test_measures_stand_beside_their_floor(trained, call):
    code, out, _ = call("measures", trained, "--count", 40)
    assert code == 0
    assert "1-NN test, pixels" in out
    found = json.loads((trained / "evaluation" / "measures-best-count40.json").read_text())
    assert found["count"] == 40
    assert found["fake"]["sliced_wasserstein"]["mean"] > found["floor"]["sliced_wasserstein"]["mean"]


def test_compare_prints_the_table(trained, call, tmp_path):
    other = shutil.copytree(trained, tmp_path / "other")
    code, out, _ = call("compare", trained, other, "--json", tmp_path / "comparison.json")
    assert code == 0
    assert "best iteration" in out
    assert len(json.loads((tmp_path / "comparison.json").read_text())["runs"]) == 2


def test_report_writes_one_page(trained, call, tmp_path):
    assert call("report", trained, "--out", tmp_path / "report.html")[0] == 0
    assert "00000-shapes-wn" in (tmp_path / "report.html").read_text()


def test_outputs_go_where_they_are_meant_to(trained, call, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    found = []
    reader = threading.Thread(target=lambda: found.append((tmp_path / "pipe").read_bytes()), daemon=True)
    reader.start()
    assert call("compare", trained, "--json", tmp_path / "pipe")[0] == 0
    reader.join()
    assert len(json.loads(found[0])["runs"]) == 1
    (tmp_path / "page").write_text("old")
    (tmp_path / "page").chmod(0o600)
    (tmp_path / "link").symlink_to("page")
    assert call("report", trained, "--out", tmp_path / "link")[0] == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "page").stat().st_mode & 0o777 == 0o600
    assert "00000-shapes-wn" in (tmp_path / "page").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        *(("report", "--out"), ("explore", "--out"), ("compare", "--json"), ("samples", "--npz")),
        *(("samples", "--png-folder"), ("export --to numpy", "--out")),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_the_work(trained, call, tmp_path, monkeypatch, arguments):
    monkeypatch.setattr(TrainedRun, "generate", lambda *_: 1 / 0)  # no work is begun
    monkeypatch.setattr("tinygan.evaluation.comparison.table", lambda *_: 1 / 0)
    monkeypatch.setattr("tinygan.evaluation.comparison.to_json", lambda *_: 1 / 0)
    (command, *more), option = arguments[0].split(), arguments[1]
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file" / "x", tmp_path / ("file" if "folder" in option or more else ".")):
        code, out, err = call(command, trained, *more, option, place)
        assert (code, out) == (1, "")
        assert err.startswith(f"error: {option} {place}")
        assert "name a" in err or "make it first" in err
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    "damage",
    [lambda old: b"", lambda old: old[:-1] + bytes([old[-1] ^ 1]), lambda old: old.replace(b"identity", b"idiotics")],
)
def test_a_damaged_unfinished_test_is_named_and_kept(trained, call, damage, monkeypatch):
    run = open_run(trained, "last", "cpu")
    with monkeypatch.context() as patch:
        patch.setattr(finaltest, "save_grid", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            reconstruction_test(run, "final", SEARCH, 8)
    unfinished = trained / "evaluation" / "reconstruct-final-last-5.unfinished.safetensors"
    unfinished.write_bytes(damaged := damage(unfinished.read_bytes()))
    code, _, err = call("reconstruct", trained, "--checkpoint", "last", "--steps", 5)
    assert (code, "delete it to start this test anew" in err) == (1, True)
    assert unfinished.read_bytes() == damaged
    unfinished.unlink()
    assert call("reconstruct", trained, "--checkpoint", "last", "--steps", 5)[0] == 0


def test_the_name_of_a_checkpoint_leads_nowhere_else(trained):
    for name in ("../checkpoints/best", "٨", "1" * 5000):
        with pytest.raises(TinyganError, match="there are: 000008, best, last"):
            open_run(trained, name, "cpu")


def test_a_run_trained_with_tf32_can_be_looked_at_without_a_gpu(trained, monkeypatch):
    options = Options.from_json(json.loads((trained / "config.json").read_text())["options"])
    changed = dataclasses.replace(options, precision="tf32", device="gpu")
    load = trained_module.checkpoint.load
    monkeypatch.setattr(
        trained_module.checkpoint, "load", lambda path: dataclasses.replace(load(path), options=changed)
    )
    monkeypatch.setattr(trained_module, "why_no_gpu", lambda: "there is none")
    monkeypatch.setattr("tinygan.device.why_no_gpu", lambda: "there is none")
    for device in ("auto", "cpu"):
        assert open_run(trained, "best", device).backend.dtype == np.float32


def test_an_arc_keeps_its_length_and_meets_its_ends():
    a, b = np.array([3.0, 0.0, 0.0]), np.array([0.0, 3.0, 0.0])
    points = pictures.arc(a, b, 5)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 3, rtol=1e-12)
    np.testing.assert_allclose(points[[0, 4]], [a, b], atol=1e-12)
    np.testing.assert_allclose(points[2], np.array([1, 1, 0]) * 3 / 2**0.5, atol=1e-12)
    np.testing.assert_allclose(pictures.arc(0 * a, b, 3)[1], b / 2)  # no angle with 0: straight
    np.testing.assert_allclose(pictures.arc(a, -a, 3)[1], 0, atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["reconstruct", "nowhere"], 1, ["nowhere", "no run folder"]),
        (["reconstruct", "RUN", "--checkpoint", "5"], 1, ["no checkpoint '000005'", "000008", "best", "last"]),
        (["reconstruct", "RUN", "--set", "train"], 2, ["--set"]),
        (["guess", "RUN"], 2, ["guess"]),
        (
            ["samples", "RUN", "--checkpoint", "latest"],
            2,
            ["is 'latest' (did you mean last?): give best"],
        ),
        (["samples", "RUN", "--npz", "x", "--png-folder", "y"], 2, ["not allowed with argument --npz"]),
        (["interpolate", "RUN", "--data-dir", "gone"], 1, ["--data-dir gone does not exist"]),
        (["measures", "RUN", "--count", "1"], 1, ["at least 2 images are needed, not 1"]),
        *(
            ([*command.split(), "new/"], 2, ["new/ ends as a folder's name does: name a file, such as new\n"])
            for command in ("explore RUN --out", "report RUN --out", "compare RUN --json", "samples RUN --npz")
        ),
    ],
)
def test_mistakes_are_one_line(trained, call, tmp_path, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    result = call(*(trained if argument == "RUN" else argument for argument in arguments))
    assert result[:2] == (code, "")
    assert result[2].count("\n") == 1
    for word in words:
        assert word in result[2]
    assert not list(tmp_path.iterdir())


def test_latest_is_the_newest_run_of_runs(trained, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = call("samples", "latest")
    assert (code, err) == (1, "error: latest: no run in runs has a checkpoint; name a run folder\n")
    for number in (3, 11):
        shutil.copytree(trained, tmp_path / "runs" / f"{number:05d}-shapes-wn")
    for command in ("samples", "compare"):
        code, out, _ = call(command, "latest")
        assert code == 0
        assert "00011-shapes-wn" in out


def test_before_the_first_running_test_the_line_names_the_last_checkpoint(trained, call, tmp_path):
    young = shutil.copytree(trained, tmp_path / "young")
    (young / "checkpoints" / "best.safetensors").unlink()
    code, _, err = call("samples", young)
    assert code == 1
    assert err.endswith("there is a best one after the first running test, until then take last (--checkpoint last)\n")
    assert call("samples", young, "--checkpoint", "last", "--count", 1)[0] == 0


def test_a_search_that_is_not_finite_does_not_replace_a_result(trained, call, tmp_path, monkeypatch):
    run = shutil.copytree(trained, tmp_path / "run")
    command = ("reconstruct", run, "--steps", 2, "--device", "cpu")
    assert call(*command)[0] == 0
    result = run / "evaluation" / "reconstruct-final-best-2.json"
    before, search = result.read_bytes(), TrainedRun.search
    monkeypatch.setattr(TrainedRun, "search", lambda *a, **k: (r := search(*a, **k))._replace(losses=r.losses * np.nan))
    code, _, err = call(*command, "--learning-rate", "900")
    assert code == 1
    assert "not finite at --learning-rate 900" in err
    assert result.read_bytes() == before


def test_a_foreign_or_damaged_checkpoint_and_other_images(trained, call, tmp_path):
    foreign = tmp_path / "run"
    (foreign / "checkpoints").mkdir(parents=True)
    (foreign / "config.json").write_text("{}")
    code, _, err = call("samples", foreign)
    assert (code, "none yet" in err) == (1, True)
    (foreign / "checkpoints" / "best.safetensors").write_bytes(b"something else")
    code, _, err = call("samples", foreign)
    assert (code, "is damaged or no checkpoint" in err) == (1, True)

    run = open_run(trained, "8", "cpu")
    object.__setattr__(run, "fingerprint", "sha256:other")
    with pytest.raises(TinyganError, match="not those that"):
        reconstruction_test(run, "final", SEARCH, 8)


def test_a_residual_network_is_looked_at_like_any_other(trained, call, tmp_path):
    network = "--model resnet --d-features 2,4 --d-blocks 1,2 --norm wn --schedule shared --code-size 6"
    lengths = "--batch-size 8 --iterations 2 --test-every 2 --device cpu"
    assert run_script(train.main, [*network.split(), *lengths.split(), "--out", str(tmp_path)]) == 0
    run = tmp_path / "00000-shapes-resnet-wn"
    for command in (
        ("reconstruct", run, "--steps", 2),
        ("samples", run, "--count", 4),
        ("compare", trained, run),
        ("report", trained, run, "--out", tmp_path / "report.html"),
    ):
        code, out, err = call(*command)
        assert (code, err) == (0, ""), command
        assert run.name in out or command[0] == "report"
