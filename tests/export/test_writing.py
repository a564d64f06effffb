"""Exported networks, run by what they were exported for: equal to tinygan's own to 1e-5, without tinygan."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.export.networks import BUILD, FLAT, network, shapes
from tinygan import load_generator
from tinygan.cli import evaluate
from tinygan.errors import UsageError, run_script
from tinygan.evaluation.trained import open_run
from tinygan.export.folded import operations_of
from tinygan.export.writing import export, write_numpy, write_torch
from tinygan.models.norms import NORMS

RUN_ALONE = """
import sys
import numpy as np
from pathlib import Path
sys.path.insert(0, sys.argv[1])
{load}
for folder in map(Path, sys.argv[1:]):
    np.save(folder / "y.npy", run(folder, np.load(folder / "x.npy")))
assert not any(name.partition(".")[0] == "tinygan" for name in sys.modules)
"""
LOAD = {
    "numpy": """
from numpy_network import Network
run = lambda folder, x: Network(folder / "G.npz")(x)
""",
    "torch": """
import torch
from torch_network import Network
run = lambda folder, x: Network(folder / "G.safetensors")(torch.tensor(x)).detach().numpy()
""",
}
every_network = pytest.mark.parametrize("which", BUILD | FLAT)
every_norm = pytest.mark.parametrize("norm", NORMS)


def channels_first(x):
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if x.ndim == 4 else x


def run_alone(folders, form):
    """In a process of its own: y.npy of x.npy in each folder, by the program in the first one."""
    command = [sys.executable, "-I", "-c", RUN_ALONE.format(load=LOAD[form]), *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [np.load(folder / "y.npy") for folder in folders]


def assert_close(actual, expected):
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * max(1, np.abs(expected).max()))


@every_network
@pytest.mark.parametrize("form", ["numpy", "torch"])
def test_a_process_without_tinygan(form, which, tmp_path):
    if form == "torch":
        pytest.importorskip("torch", reason="PyTorch is not installed")
    write, turn = {"numpy": (write_numpy, np.asarray), "torch": (write_torch, channels_first)}[form]
    folders, expected = [tmp_path / norm for norm in NORMS], []
    for folder in folders:
        folder.mkdir()
        layer, x = network(which, folder.name)
        write(operations_of(layer), shapes(which), folder / "G", {})
        np.save(folder / "x.npy", turn(x))
        expected.append(turn(layer(x)[0]))
    for actual, wanted in zip(run_alone(folders, form), expected, strict=True):
        assert_close(actual, wanted)


def test_the_module_for_pytorch_is_short_and_alone(tmp_path):
    layer, _ = network("dcgan G", "wn")
    write_torch(operations_of(layer), shapes("dcgan G"), tmp_path / "G", {})
    text = (tmp_path / "torch_network.py").read_text()
    assert len(text.splitlines()) <= 40
    assert not re.search(r"(import|from) tinygan", text)


@every_norm
@every_network
def test_onnx_with_any_number_of_images(which, norm, tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed: pip install -e '.[onnx]'")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    from tinygan.export import onnx_files

    layer, x = network(which, norm)
    (file,) = onnx_files.write_network(operations_of(layer), shapes(which), tmp_path / "G", {})
    session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    for rows in (slice(None), slice(1)):
        (y,) = session.run(None, {"x": channels_first(x[rows])})
        assert_close(y, channels_first(layer(x[rows])[0]))


def test_a_run_is_exported(trained, tmp_path, capsys):
    out = tmp_path / "numpy"
    assert run_script(evaluate.main, ["export", str(trained), "--to", "numpy", "--out", str(out)]) == 0
    names = ["generator.npz", "numpy_network.py", "discriminator.npz"]
    assert capsys.readouterr().out.splitlines() == [str(out / name) for name in names]
    run = open_run(trained, "best", "cpu")
    codes = np.random.default_rng(0).standard_normal((3, run.options.code_size)).astype(np.float32)
    from tinygan.export.numpy_network import Network

    images = Network(str(out / "generator.npz"))(codes)
    assert_close(images, run.generator(codes)[0])
    assert_close(Network(str(out / "discriminator.npz"))(images), run.game.discriminator.network(images)[0])

    assert run_script(evaluate.main, ["export", str(trained), "--to", "numpy", "--out", str(out)]) == 1
    assert "is not empty: name a new one" in capsys.readouterr().err


def test_the_generator_that_tinygan_brings_is_exported(tmp_path, capsys):
    assert run_script(evaluate.main, ["export", "cifar10-wn", "--to", "numpy", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [str(tmp_path / "generator.npz"), str(tmp_path / "numpy_network.py")]
    from tinygan.export.numpy_network import Network

    generator = load_generator("cifar10-wn")
    codes = np.random.default_rng(0).standard_normal((3, generator.code_size)).astype(np.float32)
    assert_close(Network(str(tmp_path / "generator.npz"))(codes), generator(codes))
    with np.load(tmp_path / "generator.npz") as file:
        about = json.loads(str(file["description"]))
    assert (about["run"], about["checkpoint"]) == ("cifar10-wn", "iteration 9000")


@pytest.mark.parametrize("form", ["torch", "onnx"])
def test_a_run_whose_name_is_no_utf8(form, trained, tmp_path):
    if form == "onnx":
        pytest.importorskip("onnx", reason="onnx is not installed: pip install -e '.[onnx]'")
    run = tmp_path / "run-\udcf6"
    shutil.copytree(trained, run)
    files = export(load_generator(run, "last"), form, tmp_path / "out")
    assert rb"run-\\udcf6" in files[0].read_bytes() or rb"run-\udcf6" in files[0].read_bytes()


def test_without_onnx_the_remedy_is_named(trained, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "tinygan.export.onnx_files", raising=False)
    out = tmp_path / "out"
    assert run_script(evaluate.main, ["export", str(trained), "--to", "onnx", "--out", str(out)]) == 1
    assert 'pip install -e ".[onnx]"' in capsys.readouterr().err
    assert not out.exists()


def test_forms_and_folders_as_text(tmp_path):
    generator = load_generator("cifar10-wn")
    assert all(file.is_file() for file in export(generator, "numpy", str(tmp_path / "out")))
    with pytest.raises(UsageError, match=r"unknown form 'pytorch' .*: choose one of torch, numpy, onnx"):
        export(generator, "pytorch", tmp_path / "other")
    assert not (tmp_path / "other").exists()
