"""A small trained run to look at."""

import pytest

import train
from tinygan.data import shapes
from tinygan.data.imageset import ImageSet
from tinygan.errors import run_script


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The folder of a run of 12 iterations on 400 shapes: 20 running and 40 final test images."""
    patch = pytest.MonkeyPatch()
    few = shapes.draw(0, range(400))
    patch.setattr(shapes, "load", lambda: ImageSet("shapes", *few, "400 shapes"))
    out = tmp_path_factory.mktemp("runs")
    options = "--features 4 --code-size 6 --batch-size 8 --iterations 12 --test-every 4 --keep-every 8 --device cpu"
    assert run_script(train.main, [*options.split(), "--out", str(out)]) == 0
    yield out / "00000-shapes-wn"
    patch.undo()
