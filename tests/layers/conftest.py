"""Every test of a layer runs twice: on the fast operations, and on the formulas of ``ops/reference.py``.

But those of wrong input, which a layer refuses before any operation.
"""

import pytest

from tinygan import ops


@pytest.fixture(autouse=True)
def implementation(request):
    name = getattr(request, "param", "fast")
    ops.use(name)
    yield name
    ops.use("fast")


def pytest_generate_tests(metafunc):
    """Both implementations, in all files but one."""
    if "implementation" in metafunc.fixturenames and metafunc.module.__name__.rpartition(".")[2] != "test_wrong_input":
        metafunc.parametrize("implementation", ops.IMPLEMENTATIONS, indirect=True)
