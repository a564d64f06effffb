"""Against SciPy and against draws that know nothing of the formulas."""

import numpy as np
import pytest
from scipy import stats

from tinygan.evaluation.statistics import mean_error, standard_error


def test_the_standard_error_is_the_spread_of_means():
    values = np.random.default_rng(0).gamma(2, size=60)
    assert mean_error(values) == pytest.approx(stats.sem(values))
    assert standard_error(values.std(), 60) == mean_error(values)
    assert mean_error(values[:1]) is None
