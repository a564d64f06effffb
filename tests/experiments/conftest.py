"""400 shapes, and every experiment's networks so small that an iteration takes milliseconds."""

import shlex
import shutil

import pytest

from experiments import affine, learning_rates, plan, resnet, three_models
from tinygan.data import shapes
from tinygan.data.imageset import ImageSet

OPTIONS = "--dataset shapes --iterations 2 --test-every 1 --steps 2 --device cpu"


def make_small(patch):
    """Small data and networks for as long as ``patch`` lasts."""
    few = ImageSet("shapes", *shapes.draw(0, range(400)), "400 shapes")
    patch.setattr(shapes, "load", lambda: few)
    small, members = ("--features", "4", "--code-size", "6"), plan.members
    for module in (three_models, learning_rates, affine):
        patch.setattr(module, "members", lambda norms, seeds: members(norms, seeds, small))
    patch.setattr(resnet, "SETTINGS", ("--model", "resnet", "--d-features", "4,6", "--code-size", "6"))


def caller(folder):
    """Runs an experiment in ``folder``."""
    places = ["--out", str(folder / "runs"), "--results", str(folder / "results")]
    return lambda options, module=three_models: module.main([*places, *shlex.split(options)])


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Run an experiment on 400 shapes in the test's own folder."""
    make_small(monkeypatch)
    plan._fingerprint.cache_clear()
    yield caller(tmp_path)
    plan._fingerprint.cache_clear()


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory):
    """The folder of a finished three_models with ``OPTIONS``."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        plan._fingerprint.cache_clear()
        caller(folder)(OPTIONS)
        plan._fingerprint.cache_clear()
    return folder


@pytest.fixture
def finished(finished_once, tmp_path):
    """A copy of its runs and results, as if ``call(OPTIONS)`` had come before."""
    shutil.copytree(finished_once, tmp_path, dirs_exist_ok=True)
