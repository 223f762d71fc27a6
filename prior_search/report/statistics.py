"""Means and comparisons over few seeds: intervals, paired t tests, Holm's correction.

With three to ten seeds a bootstrap cannot give a small p value (three seeds have ten different
resamples), so intervals of differences are bootstrapped and p values come from the paired t test;
a difference counts only if both agree **(ours)**.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

import numpy as np
from scipy import stats

MAX_ENUMERATED = 6  # seeds; up to there all resamples are taken, 6^6 = 46,656
NUM_RESAMPLES = 20_000
MIN_SEEDS = 2  # of a test
LEVEL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """The mean over seeds of a difference between two models.

    Attributes:
        low: of the central 95 % of the bootstrap over seeds; NaN, as is ``p``, below two seeds.
        p: of the paired t test, two-sided, not corrected.
    """

    mean: float
    low: float
    high: float
    p: float
    num_seeds: int


def mean_and_interval(values: Sequence[float]) -> dict[str, float | None]:
    """Mean and two-sided 95 % interval of Student's t; no interval from a single value."""
    mean = fmean(values)
    if len(values) < 2:
        return {"mean": mean, "low": None, "high": None}
    error = stdev(values) / math.sqrt(len(values))
    half = float(stats.t.ppf(1 - LEVEL / 2, len(values) - 1)) * error
    return {"mean": mean, "low": mean - half, "high": mean + half}


def bootstrap_interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Central 95 % of the means of resamples (Efron's percentile interval).

    Raises:
        ValueError: there is no value.
    """
    x = np.asarray(values, dtype=float)
    if not len(x):
        raise ValueError("an interval needs at least one value")
    if len(x) <= MAX_ENUMERATED:
        chosen = np.asarray(list(itertools.product(range(len(x)), repeat=len(x))))
    else:
        chosen = np.random.default_rng(seed).integers(len(x), size=(NUM_RESAMPLES, len(x)))
    low, high = np.quantile(x[chosen].mean(1), [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)


def paired_difference(
    first: Mapping[int, float], second: Mapping[int, float], offset: float = 0.0
) -> PairedDifference:
    """``first`` minus ``second`` minus ``offset``, over the seeds that both have."""
    shared = sorted(first.keys() & second.keys())
    d = np.asarray([first[seed] - second[seed] - offset for seed in shared])
    if len(d) < MIN_SEEDS:
        mean = float(d.mean()) if len(d) else math.nan
        return PairedDifference(
            mean=mean, low=math.nan, high=math.nan, p=math.nan, num_seeds=len(d)
        )
    low, high = bootstrap_interval(d.tolist())
    return PairedDifference(
        mean=float(d.mean()), low=low, high=high, p=_t_test(d), num_seeds=len(d)
    )


def _t_test(d: np.ndarray) -> float:
    spread = float(d.std(ddof=1))
    if spread == 0.0:  # the limit: certain, in one direction or in none
        return 0.0 if d.mean() != 0 else 1.0
    t = float(d.mean()) / (spread / math.sqrt(len(d)))
    return float(2.0 * stats.t.sf(abs(t), len(d) - 1))


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p values (Holm, 1979); NaN is no comparison and stays NaN."""
    order = sorted((k for k in range(len(p)) if not math.isnan(p[k])), key=lambda k: p[k])
    adjusted = [math.nan] * len(p)
    largest = 0.0
    for rank, k in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p[k]))
        adjusted[k] = largest
    return adjusted
