"""Tests marked ``gpu`` run where there is a usable GPU, and are skipped, counted and explained elsewhere.

``TEST_ORDER=<seed> pytest`` runs all tests in a random order, which no test may depend on.
"""

import dataclasses
import functools
import os
import random

import pytest

from tests import fakecupy, liverun
from tests.browser import Browser
from tinygan.data import shapes
from tinygan.device import why_no_gpu
from tinygan.errors import run_script

_skipped = []


@pytest.fixture(scope="session", autouse=True)
def _shapes_are_drawn_once():
    """Drawing all 50,000 takes a second or two: what trains in this process shares them, and cannot change them."""
    load = shapes.load

    @functools.cache
    def drawn(count):
        images = load()
        images.images.flags.writeable = False
        return dataclasses.replace(images, known_fingerprint=images.fingerprint())

    shapes.load = lambda: drawn(shapes.IMAGES)
    yield
    shapes.load = load


@pytest.fixture(autouse=True)
def _nothing_is_left_running():
    yield
    liverun.end_all()


@pytest.fixture
def fake_cupy(monkeypatch):
    """A stand-in for CuPy, as strict about host and device."""
    return fakecupy.install(monkeypatch)


@pytest.fixture
def call_main(capsys):
    """Run a script's ``main`` in this process: (exit code, stdout, stderr)."""

    def call(main, *arguments):
        code = run_script(main, [str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """One headless Chromium for all tests of a file."""
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def pytest_collection_modifyitems(items):
    """Skip the gpu tests, with the reason, on a machine without a usable GPU; shuffle all where that is asked for."""
    if "TEST_ORDER" in os.environ:
        random.Random(os.environ["TEST_ORDER"]).shuffle(items)
    gpu_items = [item for item in items if item.get_closest_marker("gpu")]
    reason = why_no_gpu() if gpu_items else None
    if reason and "NEED_GPU" in os.environ:
        raise pytest.UsageError(f"the GPU cannot be used: {reason}")
    if reason:
        _skipped.extend(gpu_items)
        for item in gpu_items:
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter):
    """Say how many tests waited for a GPU."""
    if _skipped:
        terminalreporter.write_line(f"{len(_skipped)} gpu tests skipped: {why_no_gpu()}")
