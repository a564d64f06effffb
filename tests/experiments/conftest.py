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
    small = ("--features", "4", "--code-size", "6")
    for module in (three_models, learning_rates, affine):
        monkeypatch.setattr(module, "members", lambda norms, seeds: plan.members(norms, seeds, small))
    monkeypatch.setattr(resnet, "SETTINGS", ("--model", "resnet", "--d-features", "4,6", "--code-size", "6"))
    places = ["--out", str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    yield lambda options, module=three_models: module.main([*places, *options.split()])
    plan._fingerprint.cache_clear()
