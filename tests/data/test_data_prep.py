"""data_prep.py as a person meets it, and train.py on what it makes."""

import json
import re

import numpy as np
import pytest

from tests.data.conftest import encoded, lsun_database, picture, write_pictures
from tinygan.cli import data as data_prep
from tinygan.cli import evaluate, train
from tinygan.training import checkpoint

TINY = ["--features", "2", "--code-size", "4", "--batch-size", "5", "--device", "cpu", "--log-every", "2"]


@pytest.fixture
def run(call_main, tmp_path, monkeypatch):
    """Run a script in this process, in an empty folder; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    return lambda script, *arguments: call_main(script.main, *arguments)


@pytest.fixture
def packed(run, tmp_path):
    """80 images of 16x12 in two classes, packed by the command."""
    for name in ("cat", "dog"):
        write_pictures(tmp_path / "photos" / name, 40, height=12, width=16)
    code, out, err = run(data_prep, "folder", "--source", "photos", "--image-size", "16x12", "--out", "set",
                         "--processes", 1)  # fmt: skip
    assert (code, err) == (0, "")
    return tmp_path / "set", out


def test_it_says_what_it_made(packed, run):
    folder, out = packed
    for words in (
        "set: folder, 80 images of 16x12, 0.0 MB",
        "2 classes: cat 40, dog 40",
        "split (seed 0): 68 train, 4 running test (200 wanted; a set of this size gives no more than 1/20), 8 final",
        "look at: set/preview.png",
        "train with: train.py --data-dir set",
    ):
        assert words in out
    assert (folder / "preview.png").exists()
    assert run(data_prep, "info", "set") == (0, out, "")
    code, verified, _ = run(data_prep, "info", "set", "--verify")
    assert code == 0
    assert verified == out + "verified: pixels, statistics, names, labels and split are those that were packed\n"
    content = bytearray((folder / "images.npy").read_bytes())
    content[-1] ^= 1
    (folder / "images.npy").write_bytes(content)
    code, _, err = run(data_prep, "info", "set", "--verify")
    assert code == 1
    assert re.fullmatch(r"error: set/images.npy: its check sum .* is not what was packed; .*again\n", err)


def test_train_takes_name_and_size_from_the_packed_set(packed, run, tmp_path):
    code, out, err = run(train, "--data-dir", "set", *TINY, "--iterations", 2)
    assert (code, err) == (0, "")
    assert "80 images of folder from photos, packed in set" in out
    config = json.loads((tmp_path / "runs/00000-folder-wn/config.json").read_text())
    assert config["options"]["image_size"] == [12, 16]
    assert config["data"]["images"] == {"train": 68, "running": 4, "final": 8}
    # The images as they came are the same data set: the run goes on with them.
    assert run(train, "--resume", "latest", "--data-dir", "photos", "--iterations", 3)[0] == 0
    assert run(evaluate, "reconstruct", "runs/00000-folder-wn", "--checkpoint", "last", "--steps", 1)[0] == 0


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["--image-size", "32"], "--image-size 32x32 does not fit set, which was packed with 16x12"),
        (["--crop-size", "8"], "--crop-size 8x8 does not fit set, which was packed with None"),
        (["--dataset", "celeba"], "--dataset celeba does not fit set, which was packed with folder"),
        (["--augment", "crop"], "--augment crop takes windows of --image-size out of larger images"),
        (["--augment", "turn"], "--augment 'turn': give one or both of flip,crop"),
        (["--augment", "crop", "--image-size", "32"], "holds images of 16x12, too small for --image-size 32x32"),
        (["--batch-size", "69"], "--batch-size 69 is larger than the 68 training images of 80 images of folder"),
    ],
)
def test_what_does_not_fit_the_packed_set_is_one_line(packed, run, typed, words):
    code, _, err = run(train, "--data-dir", "set", *TINY, *typed)
    assert code == 2
    assert err.count("\n") == 1
    assert words in err


@pytest.mark.parametrize("augment", [[], ["--augment", "flip,crop", "--image-size", "8x10"]])
def test_resume_is_exact_on_a_packed_set(packed, run, tmp_path, augment):
    options = ["--data-dir", "set", *TINY, *augment, "--test-every", 4]
    assert run(train, *options, "--iterations", 16)[0] == 0  # 14 batches make an epoch
    assert run(train, *options, "--iterations", 7)[0] == 0
    assert run(train, "--resume", "runs/00001-folder-wn", "--iterations", 16)[0] == 0
    one, other = (
        checkpoint.load(tmp_path / f"runs/0000{n}-folder-wn/checkpoints/last.safetensors").tensors for n in (0, 1)
    )
    for name, tensor in one.items():
        assert tensor.tobytes() == other[name].tobytes(), name
    # The images tested are never mirrored, and cut out of the centre.
    targets = [(tmp_path / f"runs/0000{n}-folder-wn/reconstructions/targets.png").read_bytes() for n in (0, 1)]
    assert targets[0] == targets[1]


def test_augmentation_changes_what_is_trained_on(packed, run, tmp_path):
    for augment in ([], ["--augment", "flip"]):
        assert run(train, "--data-dir", "set", *TINY, *augment, "--iterations", 2)[0] == 0
    weights = [
        checkpoint.load(tmp_path / f"runs/0000{n}-folder-wn/checkpoints/last.safetensors").tensors for n in (0, 1)
    ]
    assert any(not np.array_equal(tensor, weights[1][name]) for name, tensor in weights[0].items())


def test_cifar10_packs_and_trains(run, tiny, tmp_path):
    tiny.write(tmp_path / "data" / "cifar10" / "cifar-10-batches-bin", tiny.binary)
    code, out, err = run(data_prep, "cifar10", "--out", "data/cifar10", "--processes", 1)
    assert (code, err) == (0, "")
    assert "24 images of 32x32" in out
    assert "10 classes: airplane" in out
    assert np.array_equal(np.load("data/cifar10/images.npy"), tiny.images)
    assert np.array_equal(np.load("data/cifar10/labels.npy"), tiny.labels)
    for place in ([], ["--data-dir", "data/cifar10"]):
        assert "packed in data/cifar10" in run(train, "--dataset", "cifar10", *place, *TINY, "--iterations", 1)[1]


def test_cifar10_from_an_archive_in_the_order_of_the_files(run, tiny, tmp_path):
    from tinygan.data import cifar10

    archive = tmp_path / cifar10.PYTHON.archive
    archive.write_bytes(tiny.register("PYTHON", tiny.archive("PYTHON")))
    code, _, err = run(data_prep, "cifar10", "--source", archive, "--out", "set", "--image-size", 16, "--processes", 1)
    assert (code, err) == (0, "")
    assert np.load("set/images.npy").shape == (24, 16, 16, 3)
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == [
        "dataset.json", "images.npy", "labels.npy", "names.txt", "preview.png", "train.npy"
    ]  # fmt: skip
    archive.write_bytes(archive.read_bytes()[:-1])
    code, _, err = run(data_prep, "cifar10", "--source", archive, "--out", "other")
    assert (code, err.count("\n")) == (1, 1)
    assert "is truncated" in err


def test_lsun_packs_and_trains(run, tmp_path):
    values = [encoded(picture(k, 16, 20), ("JPEG", "WEBP")[k % 2]) for k in range(40)]
    lsun_database(tmp_path / "bedroom_train_lmdb", values)
    code, out, err = run(data_prep, "lsun", "--source", "bedroom_train_lmdb", "--image-size", 16, "--out", "set")
    assert (code, err) == (0, "")
    assert "set: lsun, 40 images of 16x16" in out
    assert run(train, "--data-dir", "set", *TINY, "--iterations", 1)[0] == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--image-size", "15"], "--image-size must be even"),
        (["--partition", "x"], "unknown argument '--partition'"),
    ],
)
def test_a_typing_error_is_one_line(run, options, words, tmp_path):
    typed = ["folder", "--source", "x", "--image-size", "16", "--out", "set", *options]
    code, _, err = run(data_prep, *typed)
    assert (code, err.count("\n")) == (2, 1)
    assert words in err
    assert not (tmp_path / "set").exists()


def test_few_images_are_packed_with_a_word_on_the_batch(run, tmp_path):
    write_pictures(tmp_path / "few", 3)
    code, out, _ = run(data_prep, "folder", "--source", "few", "--image-size", 8, "--out", "set", "--processes", 1)
    assert code == 0
    assert "fewer than train.py's usual batch of 32: give it --batch-size 3" in out
    assert run(train, "--data-dir", "set", "--device", "cpu")[0] == 2
    assert run(data_prep, "info", "few")[0] == 1
