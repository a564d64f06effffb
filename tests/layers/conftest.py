"""Every test of a layer runs twice: on the fast operations, and on the formulas of ``ops/reference.py``."""

import pytest

from tinygan import ops


@pytest.fixture(params=ops.IMPLEMENTATIONS, autouse=True)
def implementation(request):
    ops.use(request.param)
    yield request.param
    ops.use("fast")
