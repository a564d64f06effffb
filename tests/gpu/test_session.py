"""The one command for a machine with a GPU runs every test that waits for one."""

import argparse
from pathlib import Path

from benchmarks import gpu_session

ROOT = Path(__file__).parents[2]


def test_every_gpu_test_is_run(request):
    options = argparse.Namespace(steps="tests", data_dir=None, out=Path("out"), iterations=1)
    files = {ROOT / command[-1] for _, command in gpu_session.commands(options)}
    assert all(file.exists() for file in files)
    assert {item.path for item in request.session.items if item.get_closest_marker("gpu")} <= files
