"""The two-stage search: numbers in, suggestions out; no cluster, no tracking, no trained model."""

from prior_search.search.space import Parameter, SearchSpace
from prior_search.search.suggestion import (
    Observation,
    Recommendation,
    SearchPlan,
    Suggestion,
)
from prior_search.search.two_stage import TwoStageOptimizer

__all__ = [
    "Observation",
    "Parameter",
    "Recommendation",
    "SearchPlan",
    "SearchSpace",
    "Suggestion",
    "TwoStageOptimizer",
]
