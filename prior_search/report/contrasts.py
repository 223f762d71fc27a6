"""Contrasts between models of one family, as the claims need them."""

from __future__ import annotations

from collections.abc import Mapping

from prior_search.report.claims import Contrast
from prior_search.report.results import Arm, Results
from prior_search.report.statistics import paired_difference

NAMES = {"prior": "PRIOR", "itd": "ITD", "td": "TD"}


def at_full(
    results: Results,
    family: str,
    pair: tuple[str, str],
    metric: str,
    sign: int,
    arm: Arm = "tuned",
) -> Contrast | None:
    """``at`` the largest budget that has the metric."""
    return at(results, family, pair, metric, max(results.budgets(metric), default=0), sign, arm)


def at(
    results: Results,
    family: str,
    pair: tuple[str, str],
    metric: str,
    budget: int,
    sign: int,
    arm: Arm = "tuned",
) -> Contrast | None:
    """The first bottleneck of a pair minus the second; None unless both were measured."""
    first, second = pair
    label = f"{NAMES[first]} - {NAMES[second]} at {budget} tokens"
    return between(
        label if arm == "tuned" else f"{label}, matched",
        results.by_seed(family, first, metric, budget, arm),
        results.by_seed(family, second, metric, budget, arm),
        sign,
    )


def between(
    label: str,
    first: Mapping[int, float],
    second: Mapping[int, float],
    sign: int,
    offset: float = 0.0,
) -> Contrast | None:
    """``first`` minus ``second`` minus ``offset``, by seed; None unless both were measured."""
    if not first or not second:
        return None
    return Contrast(label=label, difference=paired_difference(first, second, offset), sign=sign)
