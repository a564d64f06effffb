"""A small trained run to look at."""

from functools import partial

import pytest

from tinygan.cli import evaluate, train
from tinygan.data import shapes
from tinygan.data.imageset import ImageSet
from tinygan.errors import run_script


def load_few():
    """400 shapes instead of all."""
    return ImageSet("shapes", *shapes.draw(0, range(400)), "400 shapes")


@pytest.fixture
def few_shapes():
    """The data set of ``trained``."""
    return load_few()


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory):
    """The folder of a run of 12 iterations on 400 shapes: 20 running and 40 final test images."""
    out = tmp_path_factory.mktemp("runs")
    options = "--features 4 --code-size 6 --batch-size 8 --iterations 12 --test-every 4 --keep-every 8 --device cpu"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "load", load_few)
        assert run_script(train.main, [*options.split(), "--out", str(out)]) == 0
    return out / "00000-shapes-wn"


@pytest.fixture
def trained(trained_once, monkeypatch):
    """The folder of that run, and its data set for this test only."""
    monkeypatch.setattr(shapes, "load", load_few)
    return trained_once


@pytest.fixture
def call(call_main):
    """Run evaluate.py in this process: (exit code, stdout, stderr)."""
    return partial(call_main, evaluate.main)
