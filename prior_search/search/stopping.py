"""Whether stage 2 may end early: what is left to gain is lost in the noise of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence

from prior_search.search.layout import layouts_of
from prior_search.search.suggestion import Suggestion


def has_converged(suggestions: Sequence[Suggestion], dimension: int, limit: float | None) -> bool:
    """Whether the last two expected improvements were below the noise, if asked to stop.

    Args:
        suggestions: those that count, oldest first.
        dimension: of the space.
        limit: on an improvement, in standard deviations of the noise; None never stops.
    """
    if limit is None:
        return False
    asked = [s for s in suggestions if s.role == "expected_improvement"][-2:]
    return len(asked) == 2 and all(_improvement(s, dimension) < limit for s in asked)


def _improvement(suggestion: Suggestion, dimension: int) -> float:
    """Expected improvement that a suggestion was made for, in standard deviations of the noise."""
    theta, log_improvement = suggestion.hyperparameters, suggestion.acquisition
    if theta is None or log_improvement is None:
        return math.inf
    pair = layouts_of(dimension, len(theta))
    if pair is None:  # recorded by an older release
        return math.inf
    log_variance = theta[pair[0].noise][0]
    return math.exp(log_improvement - 0.5 * log_variance)
