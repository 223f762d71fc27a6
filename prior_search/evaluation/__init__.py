"""What a trained model can do: probes, effective information, reconstructions, by budget."""

from prior_search.evaluation.features import FrozenFeatures, extract_features
from prior_search.evaluation.held_out import evaluated_outputs
from prior_search.evaluation.image_quality import METRICS, image_metrics, ms_ssim, ssim
from prior_search.evaluation.information import information_by_budget
from prior_search.evaluation.measure import MEASURE
from prior_search.evaluation.probe import ProbeScore, probe_budget
from prior_search.evaluation.reconstruction import (
    quality_by_budget,
    reconstruct,
    reconstruct_all,
)
from prior_search.evaluation.record import EVALUATION_NAME, Evaluation, read_evaluations

__all__ = [
    "EVALUATION_NAME",
    "MEASURE",
    "METRICS",
    "Evaluation",
    "FrozenFeatures",
    "ProbeScore",
    "evaluated_outputs",
    "extract_features",
    "image_metrics",
    "information_by_budget",
    "ms_ssim",
    "probe_budget",
    "quality_by_budget",
    "read_evaluations",
    "reconstruct",
    "reconstruct_all",
    "ssim",
]
