"""What short runs say of long ones, measured on configurations that were run at both horizons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from prior_search.search.history import History

SAME_DIGITS = 9  # of the unit cube: a point that moved with its space is the same up to rounding
MIN_PAIRS = 4  # configurations run at both horizons, for a rank correlation


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizonCorrelation:
    """Spearman's rank correlation of short and long objectives over shared configurations.

    ``low`` and ``high``: central 95 % of a bootstrap over configurations. Those run long were
    chosen for their short result, which lowers the correlation seen.
    """

    num_pairs: int
    correlation: float
    low: float
    high: float


def horizon_correlation(
    history: History, num_bootstrap: int = 2000, seed: int = 0
) -> HorizonCorrelation | None:
    """Over configurations that completed at both horizons.

    None if there are too few, or if one of the horizons tells none of them apart.
    """
    short: dict[tuple[float, ...], list[float]] = {}
    long: dict[tuple[float, ...], list[float]] = {}
    for s in history.told("completed"):
        value, point = history.observations[s.index].value, history.point(s.index)
        if value is not None and point is not None:
            key = tuple(round(x, SAME_DIGITS) for x in point)
            (short if s.horizon == "short" else long).setdefault(key, []).append(value)
    shared = [p for p in short if p in long]
    pairs = np.asarray([[np.mean(short[p]), np.mean(long[p])] for p in shared])
    if len(shared) < MIN_PAIRS or not _have_ranks(pairs):
        return None
    rng = np.random.default_rng(seed)
    draws = []
    for chosen in rng.integers(len(pairs), size=(num_bootstrap, len(pairs))):
        # fewer than three have no correlation to speak of
        if len(set(chosen.tolist())) > 2 and _have_ranks(pairs[chosen]):
            draws.append(float(stats.spearmanr(pairs[chosen]).statistic))
    low, high = np.quantile(draws, [0.025, 0.975])
    return HorizonCorrelation(
        num_pairs=len(pairs),
        correlation=float(stats.spearmanr(pairs).statistic),
        low=float(low),
        high=float(high),
    )


def _have_ranks(pairs: np.ndarray) -> bool:
    """Whether neither column of [n, 2] is constant."""
    return bool((np.ptp(pairs, axis=0) > 0).all())
