"""Against SciPy and against draws that know nothing of the formulas."""

import numpy as np
import pytest
from scipy import stats

from tinygan.evaluation.statistics import mean_error, rank_correlation, standard_error


@pytest.mark.parametrize("count", [2, 3, 10, 101])
def test_the_rank_correlation_is_scipys(count):
    rng = np.random.default_rng(count)
    x = rng.standard_normal(count)
    y = x + rng.standard_normal(count)
    assert rank_correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    x, y = np.round(np.concatenate([x, [9, 9]])), np.round(np.concatenate([y, [9, 9]]))  # with equal values
    assert rank_correlation(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


def test_it_is_not_defined_for_a_constant():
    assert rank_correlation(np.ones(5), np.arange(5.0)) is None
    assert rank_correlation(np.ones(1), np.ones(1)) is None


def test_the_standard_error_is_the_spread_of_means():
    values = np.random.default_rng(0).gamma(2, size=60)
    assert mean_error(values) == pytest.approx(stats.sem(values))
    assert standard_error(values.std(), 60) == mean_error(values)
    assert mean_error(values[:1]) is None
