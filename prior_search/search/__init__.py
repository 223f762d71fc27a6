"""The two-stage search: numbers in, suggestions out; no cluster, no tracking, no trained model."""

from prior_search.search.matched_control import over_arms
from prior_search.search.plan import SearchPlan
from prior_search.search.record import from_record, to_record
from prior_search.search.space import Parameter, SearchSpace
from prior_search.search.suggestion import Observation, PastRun, Recommendation, Suggestion
from prior_search.search.two_stage import TwoStageOptimizer

__all__ = [
    "Observation",
    "Parameter",
    "PastRun",
    "Recommendation",
    "SearchPlan",
    "SearchSpace",
    "Suggestion",
    "TwoStageOptimizer",
    "from_record",
    "over_arms",
    "to_record",
]
