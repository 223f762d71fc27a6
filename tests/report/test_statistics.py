from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from prior_search.report.statistics import (
    bootstrap_interval,
    holm,
    mean_and_interval,
    paired_difference,
)


def test_the_interval_of_few_values_is_that_of_all_their_resamples() -> None:
    values = (1.0, 2.0, 6.0)
    means = [sum(draw) / 3 for draw in itertools.product(values, repeat=3)]
    assert bootstrap_interval(values) == pytest.approx(
        (np.quantile(means, 0.025), np.quantile(means, 0.975))
    )


def test_the_interval_of_many_values_is_near_that_of_the_normal_theory() -> None:
    values = np.random.default_rng(3).normal(5.0, 2.0, 200)
    low, high = bootstrap_interval(values.tolist())
    half = 1.96 * values.std() / math.sqrt(200)
    assert low == pytest.approx(values.mean() - half, abs=0.03)
    assert high == pytest.approx(values.mean() + half, abs=0.03)
    assert bootstrap_interval(values.tolist()) == (low, high)


def test_no_value_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least one"):
        bootstrap_interval([])


def test_a_difference_is_paired_by_seed() -> None:
    first = {0: 10.0, 1: 20.0, 2: 33.0, 7: 1e9}
    second = {2: 30.0, 1: 18.0, 0: 9.0, 8: -1e9}
    found = paired_difference(first, second)
    assert found.num_seeds == 3
    assert found.mean == pytest.approx(2.0)
    assert found.p == pytest.approx(stats.ttest_rel([10, 20, 33], [9, 18, 30]).pvalue)
    assert found.low == pytest.approx(bootstrap_interval([1.0, 2.0, 3.0])[0])
    assert paired_difference(first, second, offset=0.5).mean == pytest.approx(1.5)


def test_one_pair_has_a_mean_and_decides_nothing() -> None:
    found = paired_difference({0: 3.0}, {0: 1.0, 1: 1.0})
    assert (found.mean, found.num_seeds) == (2.0, 1)
    assert math.isnan(found.p)
    assert math.isnan(found.low)
    assert math.isnan(paired_difference({0: 1.0}, {1: 1.0}).mean)


def test_differences_without_spread_are_certain() -> None:
    assert paired_difference({0: 2.0, 1: 3.0}, {0: 1.0, 1: 2.0}).p == 0.0
    assert paired_difference({0: 2.0, 1: 3.0}, {0: 2.0, 1: 3.0}).p == 1.0


def test_holm_by_hand() -> None:
    # sorted .01 .02 .03 .5: times 4, 3, 2, 1 and never decreasing
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])


def test_holm_counts_comparisons_that_were_made_only_and_stops_at_one() -> None:
    found = holm([0.9, math.nan, 0.8])
    assert math.isnan(found[1])
    assert [found[0], found[2]] == [1.0, 1.0]
    assert holm([]) == []


def test_an_interval_of_a_mean_is_students() -> None:
    """Three values: standard error 1 / sqrt(3), t of 2 degrees of freedom 4.3027."""
    half = 4.302652729911275 / math.sqrt(3)
    assert mean_and_interval([1.0, 2.0, 3.0]) == pytest.approx(
        {"mean": 2.0, "low": 2.0 - half, "high": 2.0 + half}
    )
    assert mean_and_interval([1.0]) == {"mean": 1.0, "low": None, "high": None}
