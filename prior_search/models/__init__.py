"""The models: FLIP-style encoder, bottleneck and projection heads, in three sizes."""

from prior_search.models.ordered_model import (
    ModelOutput,
    ModelUsage,
    OrderedModel,
    build_model,
)
from prior_search.models.parameter_counts import count_parameters, parameter_table
from prior_search.models.presets import PRESETS, ContrastivePreset, ModelPreset

__all__ = [
    "PRESETS",
    "ContrastivePreset",
    "ModelOutput",
    "ModelPreset",
    "ModelUsage",
    "OrderedModel",
    "build_model",
    "count_parameters",
    "parameter_table",
]
