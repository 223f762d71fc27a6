"""Searches of a made-up objective, in which one of two weights matters."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from prior_search.search import (
    Observation,
    Parameter,
    SearchPlan,
    SearchSpace,
    Suggestion,
    TwoStageOptimizer,
)
from prior_search.search.suggestion import Status

SPACE = SearchSpace(
    parameters=(
        Parameter(name="matters", low=1e-3, high=1.0, scale="log"),
        Parameter(name="does_not", low=0.0, high=1.0, scale="linear"),
    )
)
PLAN = SearchPlan(stage1_trials=12, stage2_trials=10, confirm_trials=2, num_anchors=6)


def valley(suggestion: Suggestion) -> float:
    """A long run and a short one differ by their noise alone."""
    x, y = suggestion.point
    noise = 0.02 * np.random.default_rng(suggestion.index).normal()
    return float(2.0 + 4.0 * (x - 0.4) ** 2 + 0.02 * y + noise)


def valley_with_a_cliff(suggestion: Suggestion) -> float | None:
    """The same; an anchor diverges."""
    return None if suggestion.index == 14 else valley(suggestion)


def searched(value: Callable[[Suggestion], float | None]) -> TwoStageOptimizer:
    """A finished search; None is a run that diverged."""
    optimizer = TwoStageOptimizer(SPACE, PLAN, seed=1)
    while not optimizer.is_finished:
        s = optimizer.ask()
        assert s is not None
        found = value(s)
        status: Status = "diverged" if found is None else "completed"
        optimizer.tell(Observation(index=s.index, value=found, status=status))
    return optimizer
