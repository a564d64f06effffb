"""Folders of PNG files as other projects' evaluators read them: every image, byte for byte, in the order of the rows.

Their networks' weights cannot be had offline; what stands for them here is the mean colour of an image.
"""

import re
from pathlib import Path

import numpy as np
import pytest

from tinygan.cli import data as data_prep
from tinygan.cli import evaluate
from tinygan.data.packed import open_packed
from tinygan.evaluation.trained import open_run

README = (Path(__file__).parents[2] / "README.md").read_text()
pytestmark = pytest.mark.filterwarnings("ignore")  # theirs


@pytest.fixture
def folders(trained, tmp_path, monkeypatch):
    """``generated`` and ``real`` as README's commands make them, and the images of both."""
    monkeypatch.chdir(tmp_path)
    evaluate.main(["samples", str(trained), "--count", "40", "--device", "cpu", "--png-folder", "generated"])
    evaluate.main(["samples", str(trained), "--count", "60", "--seed", "1", "--device", "cpu", "--png-folder", "files"])
    data_prep.main(["folder", "--source", "files", "--image-size", "16", "--out", "set", "--processes", "1"])
    data_prep.main(["export", "set", "--png-folder", "real"])
    generated = np.concatenate(list(open_run(trained, "best", "cpu").samples(40, seed=0)))
    return {"generated": generated, "real": np.asarray(open_packed(Path("set")).images)}


def test_torch_fidelity_reads_them(folders):
    utils = pytest.importorskip("torch_fidelity.utils", reason="torch-fidelity is not installed")
    for name, images in folders.items():
        dataset = utils.prepare_input_from_id(1, input1=name, verbose=False)
        assert len(dataset) == len(images)
        for read, expected in zip(dataset, images, strict=True):
            np.testing.assert_array_equal(read.numpy().transpose(1, 2, 0), expected)


def test_clean_fid_reads_them(folders):
    fid = pytest.importorskip("cleanfid.fid", reason="clean-fid is not installed")
    settings = {"num_workers": 0, "device": "cpu", "verbose": False, "use_dataparallel": False}
    found = fid.compute_fid(
        "generated",
        "real",
        custom_feat_extractor=lambda batch: batch.mean((2, 3)),
        custom_fn_resize=lambda image: image,
        **settings,
    )
    colours = [images.mean((1, 2), dtype=np.float64) for images in folders.values()]
    assert found == pytest.approx(fid.fid_from_feats(*colours), rel=1e-3)
    assert found > 0.01  # there is a difference to find


def test_the_readme_has_their_commands():
    commands = re.findall(r"^    \.venv/bin/(.*)$", README, re.M)
    assert any(command.startswith("python -m pip install torch-fidelity clean-fid") for command in commands)
    assert any(re.match("fidelity .*--input1 generated --input2 real", command) for command in commands)
    assert any("fid.compute_fid('generated', 'real'" in command for command in commands)
