"""What a trained model can do: frozen features, linear probes, effective information."""

from prior_search.evaluation.features import FrozenFeatures, extract_features
from prior_search.evaluation.information import information_by_budget
from prior_search.evaluation.measure import MEASURE
from prior_search.evaluation.probe import ProbeScore, probe_budget
from prior_search.evaluation.record import Evaluation

__all__ = [
    "MEASURE",
    "Evaluation",
    "FrozenFeatures",
    "ProbeScore",
    "extract_features",
    "information_by_budget",
    "probe_budget",
]
