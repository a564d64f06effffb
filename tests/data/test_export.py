"""data_prep.py export SET --png-folder DIR."""

from functools import partial

import numpy as np
import pytest
from PIL import Image

from tests.data.conftest import write_pictures
from tinygan.cli import data as data_prep
from tinygan.data.packed import open_packed


@pytest.fixture
def call(call_main):
    return partial(call_main, data_prep.main)


@pytest.fixture
def packed(tmp_path, call):
    write_pictures(tmp_path / "photos", 24)
    assert call("folder", "--source", tmp_path / "photos", "--image-size", "8x6", "--out", tmp_path / "set")[0] == 0
    return tmp_path / "set"


def test_every_image_is_there_to_the_bit(packed, call, tmp_path):
    code, out, err = call("export", packed, "--png-folder", tmp_path / "deep" / "png")
    assert (code, out, err) == (0, f"24 images: {tmp_path}/deep/png\n", "")
    paths = sorted((tmp_path / "deep" / "png").iterdir())
    assert [path.name for path in paths] == [f"{row:06d}.png" for row in range(24)]
    assert np.array_equal([np.asarray(Image.open(path)) for path in paths], open_packed(packed).images)


def test_nothing_is_overwritten_and_no_other_folder_is_taken(packed, call, tmp_path):
    (tmp_path / "file").touch()
    for arguments, words in (
        ((packed, "--png-folder", tmp_path / "photos"), "is not empty: name a new one"),
        ((packed, "--png-folder", tmp_path / "file"), "cannot be made (File exists): name a new folder"),
        ((packed, "--png-folder", tmp_path / "file" / "deep"), "cannot be made (Not a directory)"),
        ((tmp_path / "photos", "--png-folder", tmp_path / "png"), "is no packed set"),
        ((tmp_path / "nowhere", "--png-folder", tmp_path / "png"), "is no packed set"),
    ):
        code, _, err = call("export", *arguments)
        assert (code, err.count("\n")) == (1, 1)
        assert words in err
    assert not (tmp_path / "png").exists()
    assert len(list((tmp_path / "photos").iterdir())) == 24
