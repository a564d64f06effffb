"""A small trained run to look at."""

import pytest

import train
from tinygan.data import shapes
from tinygan.data.imageset import ImageSet
from tinygan.errors import run_script


@pytest.fixture(scope="session")
def few_shapes():
    """400 of the shapes, as a loader gives them."""
    return ImageSet("shapes", *shapes.draw(0, range(400)), "400 shapes")


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory, few_shapes):
    """The run's folder; whoever opens its images takes ``trained``, for the length of whose test they are these."""
    out = tmp_path_factory.mktemp("runs")
    options = "--features 4 --code-size 6 --batch-size 8 --iterations 12 --test-every 4 --keep-every 8 --device cpu"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, "load", lambda: few_shapes)
        assert run_script(train.main, [*options.split(), "--out", str(out)]) == 0
    return out / "00000-shapes-wn"


@pytest.fixture
def trained(trained_once, few_shapes, monkeypatch):
    """The folder of a run of 12 iterations on 400 shapes: 20 running and 40 final test images."""
    monkeypatch.setattr(shapes, "load", lambda: few_shapes)
    return trained_once
