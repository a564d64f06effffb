"""The limits of the machine are those of real work."""

import numpy as np
import pytest

from benchmarks import machine


@pytest.mark.parametrize("precision", ["float32", "tf32"])
def test_products_are_measured_on_random_numbers_in_the_asked_precision(fake_cupy, monkeypatch, precision):
    monkeypatch.setattr(machine, "PRODUCT_SIZES", {"gpu": 64})
    monkeypatch.setattr(machine, "COPY_BYTES", {"gpu": 4096})
    factors = []
    multiply = machine.matmul
    monkeypatch.setattr(machine, "matmul", lambda a, b: factors.append((a, b)) or multiply(a, b))
    result = machine.rates("gpu", precision)
    for factor in factors[0]:
        assert len(np.unique(factor.get())) > 4000
    assert set(fake_cupy.stand_in.cublas.calls) == {77 if precision == "tf32" else 68}
    assert result["flops"] > 0
    assert result["bytes"] > 0
