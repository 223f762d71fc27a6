"""Regrets of the same searches made in two ways, compared pair by pair."""

from __future__ import annotations

import numpy as np
from scipy import stats

FLOOR = 0.003  # regret below which differences do not matter
COLUMNS = f"{'median':>7s} {'mean':>7s} {'log difference':>16s}"


def log_difference(regrets: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Of every pair, log(regret + FLOOR) above that of the base, [n]; positive is worse."""
    return np.asarray(np.log(regrets + FLOOR) - np.log(base + FLOOR))


def cells(regrets: np.ndarray, base: np.ndarray) -> str:
    """Under ``COLUMNS``: median and mean regret, mean log difference and its standard error."""
    gap = log_difference(regrets, base)
    error = gap.std(ddof=1) / np.sqrt(len(gap))
    return f"{np.median(regrets):7.4f} {regrets.mean():7.4f} {gap.mean():+9.3f} ± {error:.3f}"


def signed_rank_p(differences: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; 1 if no pair differs."""
    return float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0
