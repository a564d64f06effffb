"""A workload that takes milliseconds."""

import pytest

from benchmarks.workload import Workload


@pytest.fixture
def tiny():
    """A function to a tiny workload on the CPU."""

    def workload(**changes):
        values = {
            "device": "cpu",
            "size": 20,
            "norm": "wn",
            "batch": 4,
            "schedule": "shared",
            "code_size": 8,
            "features": 8,
            "precision": "float64",
        }
        return Workload(**(values | changes))

    return workload
