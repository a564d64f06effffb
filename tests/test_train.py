"""train.py as a person meets it: every mistake ends in one line and the right exit code."""

import json
from functools import partial

import pytest

from tinygan.cli import train
from tinygan.ops import dispatch
from tinygan.ranges import RANGES, Range
from tinygan.training import options as training_options
from tinygan.training.step import SCHEDULES

TINY = ["--features", "2", "--code-size", "4", "--batch-size", "4", "--device", "cpu", "--log-every", "2"]


@pytest.fixture
def run(call_main, tmp_path, monkeypatch):
    """Run train.py in this process, in an empty folder; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    return partial(call_main, train.main)


@pytest.fixture
def finished(run, tmp_path):
    """A run of two iterations on the embedded data set; returns its folder."""
    code, _, err = run("--norm", "wn", *TINY, "--iterations", 2)
    assert (code, err) == (0, "")
    return tmp_path / "runs" / "00000-shapes-wn"


def assert_one_line(result, code, *words):
    assert result[0] == code
    line = result[2]
    assert line.startswith("error: ")
    assert line.count("\n") == 1
    for word in words:
        assert str(word) in line


def test_dry_run_prints_the_paper_counts_and_makes_nothing(run, tmp_path):
    code, out, err = run("--dry-run", "--norm", "wn", "--dataset", "cifar10")
    assert (code, err) == (0, "")
    assert "1,183,622 parameters" in out
    assert "663,426 parameters" in out
    assert "--learning-rate 0.0001" in out
    assert not list(tmp_path.iterdir())


def test_a_dry_run_for_a_gpu_says_what_it_measured(run, monkeypatch):
    monkeypatch.setattr("tinygan.training.dryrun.why_no_gpu", lambda: "none is here")
    used = []
    step = SCHEDULES["alternating"].step
    spied = SCHEDULES["alternating"]._replace(step=lambda *a: used.append(dispatch.implementation()) or step(*a))
    monkeypatch.setitem(SCHEDULES, "alternating", spied)
    for device, operations in (("cpu", "fast"), ("gpu", "reference")):
        used.clear()
        code, out, err = run("--dry-run", *TINY, "--device", device)
        assert (code, err) == (0, "")
        assert set(used) == {operations}
        assert dispatch.implementation() == "fast"
        assert ("counted on the CPU with the plain formulas" in out) == (device == "gpu")


def test_a_residual_network_from_the_command_line(run, tmp_path):
    residual = ["--model", "resnet", "--d-features", "2,3", "--g-features", "3,4", "--g-blocks", "1,2", *TINY]
    code, out, err = run("--dry-run", *residual)
    assert (code, err) == (0, "")
    for text in ("residual block 4 -> 3, ×2", "residual block 2 -> 3, ÷2", "--d-features 2,3", "--g-blocks 1,2"):
        assert text in out
    assert run(*residual, "--iterations", 2)[::2] == (0, "")
    folder = tmp_path / "runs" / "00000-shapes-resnet-wn"
    options = json.loads((folder / "config.json").read_text())["options"]
    assert (options["model"], options["d_features"], options["d_blocks"]) == ("resnet", [2, 3], None)
    assert run("--resume", folder, "--iterations", 4)[::2] == (0, "")
    assert_one_line(run("--resume", folder, "--model", "dcgan"), 2, "--model dcgan", "--model resnet")
    assert_one_line(run("--resume", folder, "--g-blocks", "1,1"), 2, "--g-blocks 1,1", "--g-blocks 1,2")


def test_a_run_explains_itself(finished, run):
    names = {str(path.relative_to(finished)) for path in finished.rglob("*") if path.is_file()}
    samples = {f"samples/{name}.png" for name in ("reals", "000000", "000002")}
    assert (
        names == {"config.json", "log.jsonl", "checkpoints/last.safetensors", "reconstructions/targets.png"} | samples
    )
    config = json.loads((finished / "config.json").read_text())
    assert config["options"]["norm"] == "wn"
    assert config["data"]["fingerprint"].startswith("sha256:")
    assert config["sessions"][0]["versions"]["numpy"]
    line = json.loads((finished / "log.jsonl").read_text())
    assert set(line) == {"iteration", "d_real", "d_fake", "g", "images_per_second", "seconds"}
    assert run("--norm", "wn", *TINY, "--iterations", 1)[0] == 0
    assert (finished.parent / "00001-shapes-wn").is_dir()


def test_resume_latest(finished, run):
    code, out, _ = run("--resume", "latest", "--iterations", 4)
    assert code == 0
    assert "at iteration 2; changed: iterations" in out
    assert len((finished / "log.jsonl").read_text().splitlines()) == 2
    code, out, _ = run("--resume", "latest")
    assert code == 0
    assert "already at iteration 4" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dataset", "mnist"], ["--dataset", "mnist", "cifar10"]),
        (["--norm", "layer"], ["--norm", "layer", "wn-affine"]),
        (["--device", "tpu"], ["--device", "tpu", "auto"]),
        (["--image-size", "33"], ["33x33", "even", "34"]),
        (["--image-size", "large"], ["--image-size", "large", "178x218"]),
        (["--batch-size", "60000"], ["--batch-size 60000", "larger than the", "training images"]),
        (["--name", "../up"], ["--name", "letters"]),
        (["--no-such-option"], ["--no-such-option", "--help"]),
        (["--precision", "tf32", "--device", "cpu"], ["tf32", "GPU", "float32"]),
        (["--model", "vae"], ["--model", "vae", "resnet"]),
        (["--d-features", "2,3"], ["--d-features", "--model resnet"]),
        (["--model", "resnet", "--g-blocks", "2;3"], ["--g-blocks", "2;3", "64,128,256"]),
        (["--preset", "celeba"], ["--data-dir"]),
        (["--preset", "celeba", "--resume", "latest"], ["--preset", "--resume"]),
    ],
    ids=lambda value: " ".join(value[:2]) if value[0].startswith("--") else "",
)
def test_wrong_options_exit_with_2(run, arguments, words):
    assert_one_line(run("--device", "cpu", *arguments), 2, *words)


def test_a_checkpoint_of_another_architecture(finished, run):
    assert_one_line(run("--resume", finished, "--norm", "bn"), 2, "--norm bn", "last.safetensors", "--norm wn")
    assert_one_line(run("--resume", finished, "--features", 3), 2, "--features 3", "--features 2")


def test_missing_and_damaged_things_exit_with_1(finished, run, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert_one_line(run("--dataset", "cifar10", "--data-dir", empty, "--device", "cpu"), 1, empty)
    page = tmp_path / "cifar-10-binary.tar.gz"
    page.write_text("<!DOCTYPE html><html><body>Too many requests</body></html>")
    assert_one_line(run("--dataset", "cifar10", "--data-dir", tmp_path, "--device", "cpu"), 1, page, "HTML")
    page.write_bytes(b"\x1f\x8b" + bytes(1000))
    assert_one_line(run("--dataset", "cifar10", "--data-dir", tmp_path, "--device", "cpu"), 1, page)
    assert_one_line(run("--resume", tmp_path / "nowhere"), 1, "nowhere")
    assert_one_line(run("--resume", "latest", "--out", empty), 1, "latest", empty)
    last = finished / "checkpoints" / "last.safetensors"
    last.write_bytes(last.read_bytes()[:1000])
    assert_one_line(run("--resume", finished), 1, last, "damaged")


def test_an_out_folder_that_cannot_be_written(run, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    assert_one_line(run(*TINY, "--out", tmp_path / "file"), 1, "--out", tmp_path / "file")


def test_no_gpu(run, monkeypatch):
    monkeypatch.setattr("tinygan.device.why_no_gpu", lambda: "CuPy is not installed: run pip")
    assert_one_line(run(*TINY, "--device", "gpu"), 1, "device gpu: ", "CuPy is not installed", "take the device cpu")


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(finished, run, monkeypatch):
    monkeypatch.setitem(RANGES, "learning_rate", Range(0, 1e31, whole=False))  # beyond what can be typed
    before = (finished / "checkpoints" / "last.safetensors").read_bytes()
    result = run("--resume", finished, "--iterations", 20, "--learning-rate", 1e30)
    assert_one_line(result, 1, "not finite at iteration", "last.safetensors (iteration 2)", "--learning-rate")
    assert any(network in result[2] for network in ("generator", "discriminator"))
    assert (finished / "checkpoints" / "last.safetensors").read_bytes() == before
    assert run("--resume", finished, "--iterations", 4, "--learning-rate", 1e-4)[0] == 0


def test_debug_shows_the_traceback(run):
    code, _, err = run("--image-size", 33, "--debug")
    assert code == 2
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("error: ")


def test_help_names_every_option_with_its_default(capsys):
    with pytest.raises(SystemExit) as stop:
        train.main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert stop.value.code == 0
    for name, default in vars(training_options.Options()).items():
        assert training_options.flag(name) in text
        if default not in (None, ""):
            assert f"(default: {training_options.show(default)})" in text
