"""400 shapes, and every experiment's networks so small that an iteration takes milliseconds."""

import pytest

from experiments import affine, learning_rates, plan, resnet, three_models
from tinygan.data import shapes
from tinygan.data.imageset import ImageSet

OPTIONS = "--dataset shapes --iterations 2 --test-every 1 --steps 2 --device cpu"


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Run an experiment on 400 shapes in the test's own folder."""
    few = ImageSet("shapes", *shapes.draw(0, range(400)), "400 shapes")
    monkeypatch.setattr(shapes, "load", lambda: few)
    plan._fingerprint.cache_clear()
    for module in (three_models, learning_rates, affine):
        monkeypatch.setattr(module, "SETTINGS", ("--features", "4", "--code-size", "6"))
    small = ("--model", "resnet", "--d-features", "4,6", "--code-size", "6")
    monkeypatch.setattr(resnet, "SETTINGS", small)
    places = ["--out", str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    yield lambda options, module=three_models: module.main([*places, *options.split()])
    plan._fingerprint.cache_clear()
