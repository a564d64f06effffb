"""Checkpoints: nothing is lost by a kill or a full disk, nothing wrong is loaded."""

import json
import os
import resource
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy
from safetensors import safe_open

from tinygan import tensorfile
from tinygan.device import open_backend
from tinygan.errors import NonFiniteError, TinyganError
from tinygan.training import checkpoint
from tinygan.training.checkpoint import Progress
from tinygan.training.session import build_game

PROGRESS = Progress(7, 1.5, np.arange(6.0, dtype=np.float32).reshape(2, 3))


@pytest.fixture
def saved(tiny_options, tmp_path):
    """A checkpoint on disk with the game and options it was made from."""
    options = tiny_options(norm="bn")
    game = build_game(options, open_backend("cpu"))
    game.discriminator.optimiser.average.flat[:] = 0.25
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, game, PROGRESS, options, "sha256:test")
    return path, game, options


def test_everything_comes_back(saved):
    path, game, options = saved
    loaded = checkpoint.load(path)
    other = build_game(options, open_backend("cpu"))
    for player in other[:2]:
        for store in player.stores().values():
            store.flat[:] = 9.0
    checkpoint.restore(loaded, other)
    for ours, theirs in zip(game[:2], other[:2], strict=True):
        for name, store in ours.stores().items():
            np.testing.assert_array_equal(store.flat, theirs.stores()[name].flat)
    assert loaded.options == options
    assert (loaded.progress.iteration, loaded.progress.seconds, loaded.fingerprint) == (7, 1.5, "sha256:test")
    np.testing.assert_array_equal(loaded.progress.pending_losses, PROGRESS.pending_losses)


DIE_WHILE_SAVING = """
import os, pathlib, signal, sys
sys.path.insert(0, {root!r})
import tinygan.files
os.replace = os.fsync = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from tinygan.errors import TinyganError
tinygan.files.write_atomically(pathlib.Path({path!r}), b"new" * 100000)
"""


def test_killed_while_saving_leaves_the_old_file(saved):
    path, _, _ = saved
    before = path.read_bytes()
    code = DIE_WHILE_SAVING.format(root=os.getcwd(), path=str(path))
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9
    assert list(path.parent.glob("*.part"))  # it did die half way
    assert path.read_bytes() == before
    checkpoint.load(path)


def test_a_full_disk_while_saving_leaves_the_old_file(saved):
    path, game, options = saved
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))  # the system refuses the second half
    try:
        with pytest.raises(
            TinyganError, match=r"cannot write .*last.safetensors: File too large.*is kept; allow larger files"
        ):
            checkpoint.save(path, game, PROGRESS, options, "")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("player", [0, 1])
@pytest.mark.parametrize("store", ["parameters", "buffers", "average"])
def test_values_that_are_not_finite_are_neither_saved_nor_restored(saved, player, store):
    path, game, options = saved
    before = path.read_bytes()
    game[player].stores()[store].flat[-1] = np.nan
    role = ("generator", "discriminator")[player]
    with pytest.raises(NonFiniteError, match=f"the {role} holds values that are not finite after iteration 7"):
        checkpoint.save(path, game, PROGRESS, options, "")
    assert path.read_bytes() == before

    loaded = checkpoint.load(path)
    name = next(name for name in loaded.tensors if name.startswith(f"{role}.{store}"))
    loaded.tensors[name] = np.full_like(loaded.tensors[name], np.inf)
    with pytest.raises(TinyganError, match="not finite"):
        checkpoint.restore(loaded, game)


@pytest.mark.parametrize("changes", [{"norm": "wn"}, {"features": 5}, {"code_size": 6}, {"image_size": (16, 16)}])
def test_another_architecture_is_refused_and_changes_nothing(saved, changes, tiny_options):
    path, _, _ = saved
    other = build_game(tiny_options(**{"norm": "bn", **changes}), open_backend("cpu"))
    before = [store.flat.copy() for player in other[:2] for store in player.stores().values()]
    with pytest.raises(TinyganError, match="of another architecture"):
        checkpoint.restore(checkpoint.load(path), other)
    after = [store.flat for player in other[:2] for store in player.stores().values()]
    for array, copy in zip(after, before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_a_checkpoint_that_fits_one_network_only_changes_neither(saved):
    path, game, _ = saved
    loaded = checkpoint.load(path)
    del loaded.tensors["discriminator.average.last.w"]
    for player in game[:2]:
        player.parameters.flat[:] = 9.0
    with pytest.raises(TinyganError, match=r"of another architecture: .*last\.w"):
        checkpoint.restore(loaded, game)
    assert all((player.parameters.flat == 9.0).all() for player in game[:2])


NO_CHECKPOINT = "is damaged or no checkpoint"


def described(text):
    """A file of tensors that is described so."""
    return safetensors.numpy.save({"x": np.zeros(3)}, {tensorfile.DESCRIPTION: text})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[: len(data) // 2], NO_CHECKPOINT),
        (lambda data: b"<!DOCTYPE html><html>quota exceeded</html>", NO_CHECKPOINT),
        (lambda data: data[:20] + b"\xff" * 20 + data[40:], NO_CHECKPOINT),
        (lambda data: b"", NO_CHECKPOINT),
        (lambda data: safetensors.numpy.save({"x": np.zeros(3)}), "no checkpoint of tinygan"),
        (lambda data: described('{"format": 999}'), "newer tinygan"),
        (lambda data: described('{"format": 1, "opt'), NO_CHECKPOINT),
        (lambda data: described('{"format": 1}'), NO_CHECKPOINT),
    ],
)
def test_files_that_are_no_checkpoint(saved, damage, message):
    path, _, _ = saved
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(TinyganError, match=message) as error:
        checkpoint.load(path)
    assert str(path) in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(TinyganError, match="there is no checkpoint"):
        checkpoint.load(tmp_path / "none.safetensors")


def rewrite(path, tensors=lambda _: None, description=lambda _: None, form=1):
    """The checkpoint with changed content, in format 1, which has no check sums, or with right ones.

    ``tensors`` and ``description`` change what they are given, or return what to take instead.

    Returns:
        The description.
    """
    with safe_open(path, framework="numpy") as file:
        metadata, arrays = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    values = json.loads(metadata[tensorfile.DESCRIPTION]) | {"format": form}
    tensors(arrays)
    changed = description(values)
    values = values if changed is None else changed
    if form == 1:
        path.write_bytes(safetensors.numpy.save(arrays, {tensorfile.DESCRIPTION: json.dumps(values)}))
    else:
        tensorfile.save_tensors(path, arrays, values)
    return values


def test_a_checkpoint_of_format_1_still_opens(saved):
    path, game, options = saved
    before = checkpoint.load(path)
    rewrite(path)
    old = checkpoint.load(path)
    assert (old.options, old.progress.iteration, old.fingerprint) == (options, 7, "sha256:test")
    assert all(np.array_equal(tensor, before.tensors[name]) for name, tensor in old.tensors.items())
    checkpoint.restore(old, game)


def test_no_byte_can_change_unnoticed(saved):
    path, _, _ = saved
    good, rng = path.read_bytes(), np.random.default_rng(0)
    for at in [*rng.integers(0, len(good), 150), len(good) - 1]:
        changed = bytearray(good)
        changed[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        with pytest.raises(TinyganError, match=r"damaged|no checkpoint of tinygan|newer tinygan") as error:
            checkpoint.load(path)
        assert "\n" not in str(error.value)


def test_check_sums_cannot_be_left_out(saved):
    path, _, _ = saved
    path.write_bytes(path.read_bytes().replace(b"tinygan.checksums", b"tinygan.checkzums"))
    with pytest.raises(TinyganError, match="its check sums are missing"):
        checkpoint.load(path)


def as_type(dtype):
    def change(tensors):
        tensors["discriminator.average.last.w"] = tensors["discriminator.average.last.w"].astype(dtype)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (as_type(np.float64), "discriminator.average.last.w is float64, not as --precision auto"),
        (as_type(np.float16), "discriminator.average.last.w is of type F16"),
        (as_type(np.int32), "discriminator.average.last.w is of type I32"),
        (lambda tensors: tensors.update(pending_losses=np.zeros(6, np.float32)), "pending_losses are not"),
        (lambda tensors: tensors.update(pending_losses=np.zeros((8, 3), np.float32)), "pending_losses are not"),
        (lambda tensors: tensors.update(pending_losses=np.full((1, 3), np.nan, np.float32)), "pending_losses are not"),
        (lambda tensors: tensors.pop("pending_losses"), "pending_losses is float64|pending_losses are not"),
    ],
)
def test_tensors_of_another_kind_are_refused(saved, change, message):
    path, _, _ = saved
    rewrite(path, tensors=change)
    with pytest.raises(TinyganError, match=rf"is damaged or no checkpoint \(.*{message}.*\): use another one"):
        checkpoint.load(path)


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "F8_E5M2", "C64", "BOOL"])
def test_types_that_numpy_has_no_name_for_are_refused(tmp_path, dtype):
    size = {"BF16": 2, "C64": 8}.get(dtype, 1)
    head = {"w": {"dtype": dtype, "shape": [1], "data_offsets": [0, size]}, "__metadata__": {"tinygan": "{}"}}
    text = json.dumps(head).encode()
    (tmp_path / "file").write_bytes(len(text).to_bytes(8, "little") + text + bytes(size))
    with pytest.raises(TinyganError, match=f"w is of type {dtype}"):
        checkpoint.load(tmp_path / "file")


def test_a_tensor_of_nobody_is_refused(saved):
    path, game, _ = saved
    rewrite(path, tensors=lambda tensors: tensors.update({"critic.w": np.zeros(1, np.float32)}), form=2)
    with pytest.raises(TinyganError, match=r"of another architecture: unexpected critic\.w"):
        checkpoint.restore(checkpoint.load(path), game)


@pytest.mark.parametrize(
    "changes",
    [
        {"options": []},
        {"options": "wn"},
        {"options": {"norm": ["wn"]}},
        {"options": {"code_size": 5.5}},
        {"options": {"code_size": 10**400}},
        {"options": {"features": 0}},
        {"options": {"image_size": [12]}},
        {"options": {"image_size": "12x16"}},
        {"options": {"d_features": [1, "2"]}},
        {"options": {"augment": 5}},
        {"options": {"data_dir": 7}},
        {"options": {"name": None}},
        {"options": {"colour": 1}},
        {"iteration": -1},
        {"iteration": "7"},
        {"iteration": True},
        {"iteration": 7.0},
        {"seconds": None},
        {"seconds": float("nan")},
        {"fingerprint": 5},
        {"best": 3},
        {"best": {"iteration": 3}},
        {"best": {"iteration": 3, "loss": "low"}},
        {"format": "1"},
        {"format": None},
    ],
)
def test_a_description_of_another_kind_is_refused(saved, changes):
    path, _, _ = saved
    rewrite(path, description=lambda values: values.update(changes))
    with pytest.raises(TinyganError, match=r"is damaged or no checkpoint \(.*\): use another one of the run") as error:
        checkpoint.load(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_pipe_or_folder_is_no_checkpoint(tmp_path, make):
    make(tmp_path / "last.safetensors")
    with pytest.raises(TinyganError, match="is damaged or no checkpoint"):
        checkpoint.load(tmp_path / "last.safetensors")
