"""A preparation in two processes, killed again and again in every phase: the same bytes, and nothing left over."""

import os
import sys
import time

import pytest

from tests.data.conftest import picture
from tests.kills import begin, storm

FILES = ("images.npy", "dataset.json", "names.txt", "preview.png", "train.npy")
# Small blocks and a journal after each, so that there is much that a kill can come between.
CODE = """
import os
from tinygan.cli import data as data_prep
from tinygan.dataprep import prepare, workers
from tinygan.errors import run_script
os.fsync = lambda descriptor: None  # no power is cut here
workers.BLOCK_ITEMS, prepare.SAVE_SECONDS = 4, 0.0
sys.exit(run_script(data_prep.main, sys.argv[1:]))
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what is left over is looked for in /proc")


@pytest.fixture
def photos(tmp_path):
    """160 names of 20 images that take some time."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for k in range(160):
        if k < 20:
            picture(k, 256, 256).save(folder / f"{k:03d}.png")
        else:
            os.link(folder / f"{k % 20:03d}.png", folder / f"{k:03d}.png")
    return folder


def assert_killed_preparation_is_exact(tmp_path, photos, count):
    out = [tmp_path / "whole"]

    def start():
        options = ["--source", photos, "--image-size", "8", "--processes", "2", "--out", out[-1]]
        return begin(CODE, "folder", *options)

    began, killed = time.monotonic(), 0
    assert finished(start())
    seconds = time.monotonic() - began
    out.append(tmp_path / "1")
    while killed <= count // 4:  # a busy machine that is idle now is done before most kills: then again, sooner
        for code in storm(count, seconds, start):
            killed += code != 0
            if (out[-1] / "dataset.json").exists():  # where a kill came after that, only the way there is left over
                assert_same(out[-1], out[0], () if code == 0 else ("unfinished",))
                out.append(tmp_path / f"{len(out)}")
        seconds /= 4
    assert finished(start())
    assert_same(out[-1], out[0])


def finished(process):
    process.communicate()
    return process.returncode == 0


def assert_same(one, other, besides=()):
    assert set(FILES) <= {path.name for path in one.iterdir()} <= {*FILES, *besides}
    for name in FILES:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def test_a_few_kills(tmp_path, photos):
    assert_killed_preparation_is_exact(tmp_path, photos, 6)  # each way once


@pytest.mark.slow
def test_a_hundred_kills(tmp_path, photos):
    assert_killed_preparation_is_exact(tmp_path, photos, 120)
